"""A service: a web server on loopback for files that came with a task."""

import asyncio
import json
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from slotgrid.function import service

PROGRAM = Path(__file__).with_name("_file_server.py")
STOP_S = 3.0
"""Seconds the child has to end by itself before it is killed."""


class ServerDown(RuntimeError):
    """The file server has ended or does not answer; it is started again within seconds."""


@service("static_server", start_timeout_s=10)
class StaticServer:
    """Serves each task's files under an address that nobody can guess."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._folder: Path | None = None
        self.port = 0

    async def start(self) -> None:
        """Start the child and wait for its port. Raises ServerDown when it ends first."""
        # A session of its own: a Ctrl-C at the worker's terminal must not end it before the drain.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", PROGRAM, stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        said = await self._process.stdout.readline()
        if not said:
            raise ServerDown(f"the file server ended with {await self._process.wait()}")
        announced = json.loads(said)
        self.port, self._folder = announced["port"], Path(announced["folder"])

    async def stop(self) -> None:
        """End the child by ending its input, or by force, and remove what it served."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        folder, self._folder = self._folder, None
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def status(self) -> Mapping[str, Any]:
        """Ask the child for a page. Raises when it has ended or does not answer."""
        if self._process is None or self._process.returncode is not None:
            raise ServerDown("the file server has ended")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"HEAD / HTTP/1.0\r\n\r\n")
            answer = await asyncio.wait_for(reader.readline(), 2)
        finally:
            writer.close()
        if not answer.startswith(b"HTTP/1.0 404"):
            raise ServerDown(f"the file server answers {answer!r}")
        return {"pid": self._process.pid, "port": self.port}

    @asynccontextmanager
    async def serving(self, files: Mapping[str, bytes]) -> AsyncIterator[str]:
        """Serve files by their relative paths; yields the address of their folder, with a slash.

        Raises ValueError for a path that is not a plain relative one, ServerDown without a server.
        """
        if self._folder is None or self._process is None or self._process.returncode is not None:
            raise ServerDown("the file server is not running")
        name = uuid4().hex
        folder = self._folder / name
        paths = {folder / _relative(path): content for path, content in files.items()}
        try:
            await asyncio.to_thread(_write, paths)
            yield f"http://127.0.0.1:{self.port}/{name}/"
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _relative(path: str) -> PurePosixPath:
    parts = path.split("/")
    if any(part in {"", ".", ".."} or "\\" in part or "\0" in part for part in parts):
        raise ValueError(f"{path!r} is not a path like `styles/page.css`")
    return PurePosixPath(path)


def _write(files: Mapping[Path, bytes]) -> None:
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
