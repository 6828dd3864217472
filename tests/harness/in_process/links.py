"""Two ends of a link in one process, with a network between them that a test can break."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiohttp import ClientSession, web

from slotgrid.wire import messages as m
from slotgrid.wire.encoding import from_balancer, from_worker
from slotgrid.wire.link import Link
from slotgrid.wire.link_ending import LinkEnding
from slotgrid.wire.link_sockets import dial, serve

GIVE_UP_S = 20.0
T = TypeVar("T")


class End:
    """One end: a link that runs, and all that it received, in order."""

    def __init__(self, link: Link[Any]) -> None:
        self.link = link
        self.heard: list[Any] = []
        self.on_message: Callable[[Any], None] = lambda _: None
        self._news = asyncio.Event()
        self.running: asyncio.Task[LinkEnding] = asyncio.create_task(link.run(self._receive))

    def _receive(self, message: object) -> None:
        self.heard.append(message)
        self.on_message(message)
        self._news.set()

    async def hears(self, kind: type[T], which: Callable[[T], bool] = lambda _: True) -> T:
        async with asyncio.timeout(GIVE_UP_S):
            while True:
                self._news.clear()
                for message in self.heard:
                    if isinstance(message, kind) and which(message):
                        return message
                await self._news.wait()

    async def ending(self) -> LinkEnding:
        async with asyncio.timeout(GIVE_UP_S):
            return await self.running


@asynccontextmanager
async def two_ends(
    *, address: Callable[[str], str] = lambda url: url
) -> AsyncIterator[tuple[End, End]]:
    """The balancer's end, which dials, and the worker's; `address` may lead through a proxy."""
    accepted: asyncio.Future[End] = asyncio.get_running_loop().create_future()

    async def converse(link: Link[m.FromBalancer]) -> None:
        end = End(link)
        accepted.set_result(end)
        await asyncio.wait({end.running})

    async def handle(request: web.Request) -> web.StreamResponse:
        return await serve(request, from_balancer(), converse)

    app = web.Application()
    app.router.add_get("/link", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with ClientSession() as session:
            near = End(await dial(session, address(url), "key", from_worker()))
            far = await asyncio.wait_for(accepted, GIVE_UP_S)
            try:
                yield near, far
            finally:
                for end in (near, far):
                    end.running.cancel()
                await asyncio.wait({near.running, far.running})
    finally:
        await runner.cleanup()
