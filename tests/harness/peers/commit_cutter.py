"""A proxy before PostgreSQL that loses the answers to commits: it hands COMMIT on, then cuts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

CHUNK = 65536


class CommitCutter:
    """Forwards everything, until `armed`: then the next matching COMMIT reaches the server, whose
    answer reaches nobody, and nobody can connect until `let_in`.

    `meant` says by the statements of the transaction whether its COMMIT is meant.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self.url = ""
        self._meant: Callable[[bytes], bool] | None = None
        self._refuses = False
        self._forgets = False
        self.cut = asyncio.Event()
        """Set when an answer was lost."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def arm(self, meant: Callable[[bytes], bool], *, refuse: bool, forget: bool = False) -> None:
        """Lose the answer to the next COMMIT that is meant. `refuse`: let nobody connect then.
        `forget`: do not even hand the COMMIT on.
        """
        self.cut.clear()
        self._meant, self._refuse_then, self._forgets = meant, refuse, forget

    def let_in(self) -> None:
        """Let connections through again."""
        self._refuses = False

    @asynccontextmanager
    async def running(self, url: str) -> AsyncIterator["CommitCutter"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        parts = urlsplit(url)
        port = server.sockets[0].getsockname()[1]
        netloc = f"{parts.username}@127.0.0.1:{port}"
        self.url = urlunsplit((parts.scheme, netloc, parts.path, "gssencmode=disable", ""))
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(set(self._tasks))

    async def _accept(self, near_in: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        if self._refuses:
            near.transport.abort()
            return
        far_in, far = await asyncio.open_connection(*self._target)
        losing = asyncio.Event()
        there = asyncio.create_task(self._there(near_in, far, losing))
        back = asyncio.create_task(self._back(far_in, near, losing))
        both = {there, back}
        self._tasks |= both
        self._writers |= {near, far}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            for writer in (near, far):
                writer.transport.abort()
                self._writers.discard(writer)
            self._tasks -= both

    async def _there(
        self, near_in: asyncio.StreamReader, far: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        said = b""
        with suppress(OSError):
            while piece := await near_in.read(CHUNK):
                if b"COMMIT" in piece:
                    if self._meant is not None and self._meant(said):
                        self._meant = None
                        losing.set()
                        if self._forgets:
                            self._lost()
                            return
                    said = b""
                elif b"ROLLBACK" in piece:  # a read: the next transaction may be anybody's
                    said = b""
                else:
                    said += piece
                far.write(piece)
                await far.drain()

    async def _back(
        self, far_in: asyncio.StreamReader, near: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while piece := await far_in.read(CHUNK):
                if losing.is_set():
                    self._lost()
                    return
                near.write(piece)
                await near.drain()

    def _lost(self) -> None:
        self._refuses = self._refuse_then
        self.cut.set()
        if self._refuses:
            for writer in list(self._writers):
                writer.transport.abort()


@asynccontextmanager
async def commit_cutter(url: str) -> AsyncIterator[CommitCutter]:
    """A proxy for the server of that URL."""
    async with CommitCutter(url).running(url) as cutter:
        yield cutter
