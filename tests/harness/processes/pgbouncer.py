"""PgBouncer in transaction mode: each transaction may have another connection to the server."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from scripts.proxies import UNPACKED, environment, find, unpack
from tests.harness.processes.postgres import ROOTS_STAND_IN

PATIENCE_S = 30.0
POOL = 4
"""Connections to the server: fewer than nodes have to the pooler."""

CONFIG = """
[databases]
* = host=127.0.0.1 port={server} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 500
"""


@contextmanager
def pooled(url: str) -> Iterator[str]:
    """The URL by which a database is reached through a pooler of its own."""
    if find("pgbouncer") is None:
        unpack("pgbouncer")  # as `make test` does; raises where that is not possible
    program = find("pgbouncer")
    assert program is not None
    folder = Path(tempfile.mkdtemp(prefix="slotgrid-pooler-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    parsed = urlsplit(url)
    config = folder / "pgbouncer.ini"
    config.write_text(CONFIG.format(server=parsed.port, port=port, pool=POOL))
    # Copied, as it runs as another user, who may not enter every clone.
    shutil.copy(program, folder / "pgbouncer")
    if (UNPACKED / "usr/lib").is_dir():
        shutil.copytree(UNPACKED / "usr/lib", folder / "usr/lib", symlinks=True)
    user = ROOTS_STAND_IN if os.geteuid() == 0 else None  # it refuses to run as root
    if user is not None:
        shutil.chown(folder, user)
    with (folder / "log").open("wb") as said:
        process = subprocess.Popen(
            [folder / "pgbouncer", "--quiet", config],
            user=user,
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stderr=said,
        )
    through = parsed._replace(netloc=f"postgres@127.0.0.1:{port}").geturl()
    try:
        _until_it_answers(process, through, folder / "log")
        yield through
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _until_it_answers(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.02)
        else:
            return
