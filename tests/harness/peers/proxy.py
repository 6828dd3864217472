"""A TCP proxy that can cut, hold and delay what goes through it, each direction by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    """Stands between a dialler and a node; both directions flow until a test says otherwise."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self.url = ""
        self._flows = {"there": asyncio.Event(), "back": asyncio.Event()}
        self._delays_s = {"there": 0.0, "back": 0.0}
        self._writers: set[asyncio.StreamWriter] = set()
        self._near: set[asyncio.StreamWriter] = set()
        self._ended: set[asyncio.StreamWriter] = set()
        self._half_open = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.refuses = False
        self.flow()

    def hold(self, *directions: str) -> None:
        """Let nothing through: `there` is what the dialler sends, `back` what it gets."""
        for direction in directions or ("there", "back"):
            self._flows[direction].clear()

    def delay(self, delay_s: float, *directions: str) -> None:
        """Let what goes through take so long."""
        for direction in directions:
            self._delays_s[direction] = delay_s

    def flow(self, *directions: str) -> None:
        """Let everything through again."""
        self.refuses = False
        for direction in directions or ("there", "back"):
            self._flows[direction].set()

    def cut_half(self) -> None:
        """Break what the diallers hold; the node goes on waiting for what does not come."""
        self._half_open = True
        for writer in list(self._near):
            writer.transport.abort()

    def half_close(self, direction: str) -> None:
        """End one direction as a peer does that has nothing more to say; the other goes on."""
        for writer in list(self._writers):
            if (writer in self._near) is (direction == "back"):
                self._ended.add(writer)
                writer.write_eof()

    def cut(self) -> None:
        """Break every connection as a cable that is pulled from a router does: by a reset."""
        for writer in list(self._writers):
            writer.transport.abort()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            self.flow()
            self.cut()
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, far_writer}
        self._near.add(writer)
        for source, sink, direction in (
            (reader, far_writer, "there"),
            (far_reader, writer, "back"),
        ):
            task = asyncio.create_task(self._pump(source, sink, direction))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self._flows[direction].wait()
                if delay_s := self._delays_s[direction]:
                    await asyncio.sleep(delay_s)
                if sink not in self._ended:
                    sink.write(data)
                    await sink.drain()
        self._near.discard(sink)
        if not self._half_open:
            self._writers.discard(sink)
            sink.transport.abort()
