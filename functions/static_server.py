"""A service: a web server on loopback for files that came with a task."""

import asyncio
import json
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from slotgrid.function import InputRefused, service

from ._file_server import BYTES, TEXT

PROGRAM = Path(__file__).with_name("_file_server.py")
STOP_S = 3.0
"""Seconds the child has to end by itself before it is killed."""
NAME_BYTES = 255
"""How long one part of a path may be; Linux's limit."""


class ServerDown(RuntimeError):
    """The file server has ended or does not answer; it is started again within seconds."""


@service("static_server", start_timeout_s=10)
class StaticServer:
    """Serves each task's files as a site of its own, at an unguessable address."""

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
            writer.write(b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
            answer = await asyncio.wait_for(reader.readline(), 2)
        finally:
            writer.close()
        if not answer.startswith(b"HTTP/1.1 404"):
            raise ServerDown(f"the file server answers {answer!r}")
        return {"pid": self._process.pid, "port": self.port}

    async def require(self) -> None:
        """Raise ServerDown unless the child answers."""
        try:
            await self.status()
        except (OSError, TimeoutError) as cause:
            raise ServerDown("the file server does not answer") from cause

    @asynccontextmanager
    async def serving(self, files: Mapping[str, str | bytes]) -> AsyncIterator[str]:
        """Serve files by their relative paths; yields the site's address, with a slash.

        Text is served as UTF-8, whatever it says of itself; bytes without a charset. Each site is
        an origin of its own: an address like `/a.css` is the site's, and so are cookies, storage
        and service workers. A folder's address gives its `index.html`.

        Raises InputRefused for paths that are not plain relative ones, ServerDown without a server.
        """
        if self._folder is None or self._process is None or self._process.returncode is not None:
            raise ServerDown("the file server is not running")
        _check(files)
        name = uuid4().hex
        folder = self._folder / name
        try:
            await asyncio.to_thread(_write, folder, files)
            # Chromium itself takes every name under `localhost` for loopback.
            yield f"http://{name}.localhost:{self.port}/"
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _check(paths: Iterable[str]) -> None:
    """Raise InputRefused for a path that no file can have, or that is a file and a folder."""
    folders: dict[str, str] = {}
    for path in paths:
        parts = path.split("/")
        if any(part in {"", ".", ".."} or "\\" in part or "\0" in part for part in parts):
            raise InputRefused(
                "files", f"{path!r} is not a relative path with `/`, like `styles/page.css`"
            )
        if (longest := max(len(part.encode()) for part in parts)) > NAME_BYTES:
            raise InputRefused(
                "files",
                f"{path!r} has a name of {longest} bytes in UTF-8; {NAME_BYTES} are the most",
            )
        folders |= {"/".join(parts[:depth]): path for depth in range(1, len(parts))}
    for path in paths:
        if path in folders:
            raise InputRefused("files", f"{path!r} is a file, and the folder of {folders[path]!r}")


def _write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for path, content in files.items():
        kind, data = (TEXT, content.encode()) if isinstance(content, str) else (BYTES, content)
        file = folder / kind / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
