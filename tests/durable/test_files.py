"""The database of a node without `DATABASE_URL`, as it lies in `DATA_DIR`."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.harness.in_process.durable_worker import accepted, durable_worker, finished


async def test_sqlite_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    async with durable_worker(tmp_path) as worker:
        await finished(worker, await accepted(worker, "say", input={"text": "a"}))
        (file,) = (tmp_path / "data").glob("*.sqlite")
        # Read-only, and by a connection that knows nothing of ours: the file itself says it.
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("SELECT count(*) FROM slotgrid_tasks").fetchone() == (1,)
