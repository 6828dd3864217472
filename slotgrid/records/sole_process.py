"""Two live processes of one node on one SQLite file: the second is refused."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from slotgrid.records.engines import DatabaseFault


@contextmanager
def sole_process(data_dir: Path, node: str) -> Iterator[None]:
    """Hold the node's name; the kernel gives it back, however the process ends.

    Raises DatabaseFault when another process holds it.
    """
    path = data_dir / f"{quote(node, safe='')}.lock"
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            raise DatabaseFault(
                f"another process runs as node {node} on the data in {data_dir};"
                " every node needs a NODE_NAME of its own"
            ) from cause
        yield
