"""Dials each listed worker, for as long as it is listed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog
from aiohttp import ClientSession, TCPConnector

from balancer.fleet.fleet import Fleet
from balancer.fleet.inventory import Inventory
from balancer.fleet.links import Links, was_rejected
from slotgrid.net.dialling import DialFailed, keep_dialling
from slotgrid.runtime.background import background
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.workers_file import Listed
from slotgrid.wire.encoding import from_worker
from slotgrid.wire.link_ending import CloseCode
from slotgrid.wire.link_sockets import dial

log = structlog.get_logger()

LOOK_S = 0.2
"""Interval of the check whether workers that are no longer listed have finished their tasks."""


class Dialling:
    """One asyncio task for each listed worker, which dials it again whenever its link is down.

    `key` is the default for workers whose entry has no key.
    """

    def __init__(
        self, fleet: Fleet, links: Links, inventory: Inventory, *, key: str, redactor: Redactor
    ) -> None:
        self._fleet = fleet
        self._links = links
        self._inventory = inventory
        self._key = key
        self._redactor = redactor
        self._listed: dict[str, Listed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._http: ClientSession | None = None
        self._stopped = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the list while the block runs."""
        self._inventory.look()
        async with (
            ClientSession(connector=TCPConnector(limit=0)) as self._http,
            self._inventory.watching(self._follow),
            background(self._release, name="links of workers that are no longer listed"),
        ):
            self._follow()
            try:
                yield
            finally:
                await self.stop()

    async def stop(self) -> None:
        """Stop dialling, and end the links that were dialled."""
        self._stopped = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _follow(self) -> None:
        """Apply the changed list: dial new workers and update the fleet."""
        if self._stopped:
            return
        before, self._listed = self._listed, {one.url: one for one in self._inventory.entries}
        self._fleet.expect(self._listed.keys())
        for url, entry in self._listed.items():
            if (was := before.get(url)) is not None and was.key != entry.key:
                self._end(url)
            if (task := self._tasks.get(url)) is None or task.done():
                dialing = keep_dialling(partial(self._dial, url), kind="link", url=url)
                self._tasks[url] = asyncio.create_task(dialing, name=url)
            elif was != entry:
                self._links.adjust(entry)
        for url in before.keys() - self._listed.keys():
            if self._links.at(url) is None:
                self._end(url)
        self._links.slot_freed()

    async def _release(self) -> None:
        """End the links of workers that are no longer listed, once their tasks have finished."""
        while True:
            await asyncio.sleep(LOOK_S)
            for url in self._tasks.keys() - self._listed.keys():
                session = self._links.at(url)
                if session is None:
                    self._end(url)
                elif not session.worker.flights:
                    session.link.close(CloseCode.NORMAL, "the worker is no longer listed")

    def _end(self, url: str) -> None:
        self._tasks.pop(url).cancel()

    async def _dial(self, url: str) -> bool:
        """Dial the worker once, and serve the link; False if the worker is no longer listed."""
        if (session := self._links.at(url)) is not None:  # the worker has dialled in
            await session.ended.wait()
        if (entry := self._listed.get(url)) is None:
            return False
        assert self._http is not None
        key = entry.key or self._key
        with self._redactor.scope(key):
            try:
                link = await dial(self._http, url, key, from_worker())
            except DialFailed:
                self._links.disconnected_at(url)
                raise
            ending = await self._links.serve(link, listed=entry)
        if not was_rejected(ending):
            log.info("link.closed", url=url, code=ending.code, reason=ending.reason)
        return True
