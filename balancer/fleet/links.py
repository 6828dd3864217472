"""One link a worker: dialled or accepted, its end noticed, its tasks handed on or ended."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import structlog
from aiohttp import ClientSession, TCPConnector, web

from balancer.fleet import states
from balancer.fleet.call import Call, Lost
from balancer.fleet.fleet import Fleet
from balancer.fleet.inventory import Inventory, Listed
from balancer.fleet.session import Session
from balancer.fleet.translation import hello_of
from slotgrid.core.backoff import backoff_s
from slotgrid.core.schema import SchemaFault
from slotgrid.runtime.background import background
from slotgrid.runtime.secrets import Redactor
from slotgrid.wire import messages as m
from slotgrid.wire.encoding import from_worker, same_major
from slotgrid.wire.ending import CloseCode, Ending
from slotgrid.wire.functions import SpecReader
from slotgrid.wire.limits import HANDSHAKE_S, SILENT_TICKS, TICK_S
from slotgrid.wire.link import Link
from slotgrid.wire.sockets import LinkRefused, dial, serve, shows_key

log = structlog.get_logger()

RETRY_FIRST_S = 0.2
RETRY_CEILING_S = 5.0
LOST_AFTER_S = SILENT_TICKS * TICK_S
"""Silence after which a worker is lost; a link that breaks may come back until then."""
DRAINED_LOOK_S = 0.2


class Links:
    """All links of this balancer. `made_room` is called when waiting tasks may find a slot.

    A worker is known by its name and boot. Two links of one boot are one too many; a new boot
    takes the place of an old one that is silent; of two that live, the first keeps the name.
    """

    def __init__(
        self,
        fleet: Fleet,
        inventory: Inventory,
        *,
        name: str,
        key: str,
        redactor: Redactor,
        made_room: Callable[[], None],
    ) -> None:
        self._fleet = fleet
        self._inventory = inventory
        self._name = name
        self._key = key
        self._redactor = redactor
        self._wake = made_room
        self._waking = False
        self._specs = SpecReader()
        self._sessions: dict[str, Session] = {}
        self._orphans: dict[tuple[str, str], list[Call]] = {}
        self._orphan_timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._dialling: dict[str, asyncio.Task[None]] = {}
        self._listed: dict[str, Listed] = {}
        self._http: ClientSession | None = None
        self._closing = False
        self.boot = uuid4().hex
        """Another one with each start, so that a worker knows whose tasks it has."""

    def session(self, name: str) -> Session | None:
        """The worker of that name, if its link is up."""
        return self._sessions.get(name)

    @property
    def calls(self) -> int:
        """Tasks of ours that are at a worker, or on their way there, or may come back."""
        held = sum(session.calls for session in self._sessions.values())
        return held + sum(map(len, self._orphans.values()))

    @property
    def started(self) -> int:
        """How many of them are known to run."""
        return sum(session.started for session in self._sessions.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the list of workers; every link ends with the block."""
        self._inventory.look()
        async with (
            ClientSession(connector=TCPConnector(limit=0)) as self._http,
            self._inventory.watching(self._follow_list),
            background(self._sweep(), name="links"),
        ):
            self._follow_list()
            try:
                yield
            finally:
                await self.close()

    def lets_in(self, authorization: str | None) -> bool:
        """Whether who dials in shows the key."""
        return shows_key(authorization, self._key)

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """A worker dials in; returns when its link has ended. The caller has checked the key."""

        async def converse(link: Link[m.FromWorker]) -> None:
            ending = await self._serve(link, listed=None)
            log.info("link.closed", peer=link.peer, code=ending.code, reason=ending.reason)

        return await serve(request, from_worker(), converse)

    # The list

    def _follow_list(self) -> None:
        """The list has changed: dial who is new, let go of who is gone."""
        listed = {entry.url: entry for entry in self._inventory.entries}
        self._fleet.expect(listed.keys())
        for url, task in list(self._dialling.items()):
            if url not in listed or listed[url].key != self._listed[url].key:
                self._let_go(url, task, gone=url not in listed)
        for url, entry in listed.items():
            if url not in self._dialling or self._dialling[url].done():
                self._dialling[url] = asyncio.create_task(self._keep_dialling(url), name=url)
            elif self._listed.get(url) != entry and (session := self._at(url)) is not None:
                self._adjust(session, entry)
        self._listed = listed
        self._room_made()

    def _let_go(self, url: str, task: "asyncio.Task[None]", *, gone: bool) -> None:
        # One that is gone keeps its link until its tasks have finished: `_sweep` closes it.
        if gone and self._at(url) is not None:
            return
        del self._dialling[url]
        task.cancel()

    def _at(self, url: str) -> Session | None:
        return next((one for one in self._sessions.values() if one.worker.address == url), None)

    async def _sweep(self) -> None:
        """Close the links of workers that are no longer listed, once their tasks have ended."""
        while True:
            await asyncio.sleep(DRAINED_LOOK_S)
            for session in list(self._sessions.values()):
                worker = session.worker
                if worker.removed and not worker.flights:
                    session.link.close(CloseCode.NORMAL, "the worker is no longer listed")
                    url = worker.address
                    if url is not None and url not in self._listed and url in self._dialling:
                        self._dialling.pop(url).cancel()

    async def _keep_dialling(self, url: str) -> None:
        """Dial the worker at that address for as long as it is listed."""
        tries = 0
        while (entry := self._listed.get(url)) is not None:
            if (session := self._at(url)) is not None:  # it has dialled in meanwhile
                await session.ended.wait()
            began = time.monotonic()
            try:
                ending = await self._dial(entry)
            except LinkRefused as refused:
                if tries == 0:
                    log.warning("link.refused", url=url, reason=str(refused))
                self._end_orphans_at(url)
            except Exception:  # the edge of the loop: the worker must not be left for that
                log.exception("link.defect", url=url)
            else:
                log.info("link.closed", url=url, code=ending.code, reason=ending.reason)
                if time.monotonic() - began > HANDSHAKE_S:
                    tries = 0
            tries += 1
            if tries > 1:
                pause_s = backoff_s(tries, base_s=RETRY_FIRST_S, ceiling_s=RETRY_CEILING_S)
                await asyncio.sleep(pause_s)

    async def _dial(self, entry: Listed) -> Ending:
        assert self._http is not None
        with self._redactor.scope(entry.key or self._key):
            link = await dial(self._http, entry.url, entry.key or self._key, from_worker())
            return await self._serve(link, listed=entry)

    # The life of a link

    async def _serve(self, link: Link[m.FromWorker], *, listed: Listed | None) -> Ending:
        """Greet the worker and stay with it until its link ends."""
        greeting: asyncio.Future[m.Hello] = asyncio.get_running_loop().create_future()
        session: Session | None = None

        def receive(message: object) -> None:
            if session is not None:
                session.receive(message)
            elif isinstance(message, m.Hello) and not greeting.done():
                greeting.set_result(message)

        running = asyncio.create_task(link.run(receive), name=f"link {link.peer}")
        try:
            first: list[asyncio.Future[Any]] = [running, greeting]
            await asyncio.wait(first, timeout=HANDSHAKE_S, return_when=asyncio.FIRST_COMPLETED)
            if not greeting.done():
                link.close(CloseCode.HANDSHAKE, f"no hello within {HANDSHAKE_S:g} s")
                return await running
            session = await self._greet(greeting.result(), link, listed)
            return await running
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait({running})
            if session is not None:
                self._closed(session)

    async def _greet(
        self, hello: m.Hello, link: Link[m.FromWorker], listed: Listed | None
    ) -> Session | None:
        """Welcome the worker, or tell it why not; None then, or when the link is down already."""
        try:
            said = await asyncio.to_thread(hello_of, hello, self._specs)
            await self._check(hello, listed)
        except (SchemaFault, ValueError) as fault:
            _reject(link, CloseCode.REJECTED, f"a function cannot be used: {fault}")
        except _Unwelcome as why:
            _reject(link, why.code, why.reason)
        else:
            if link.ending is None:
                return self._welcome(said, link, listed)
        return None

    async def _check(self, hello: m.Hello, listed: Listed | None) -> None:
        """Return if the worker may be welcomed. Raises _Unwelcome."""
        if self._closing:
            raise _Unwelcome(CloseCode.GOING_AWAY, "the balancer ends")
        if not same_major(hello.protocol, m.PROTOCOL):
            reason = f"protocol {hello.protocol} is spoken there, {m.PROTOCOL} here"
            raise _Unwelcome(CloseCode.REJECTED, reason)
        while (there := self._sessions.get(hello.name)) is not None:
            if not await _lives(there.link):
                there.link.close(CloseCode.REPLACED, "the worker has a newer link")
                self._closed(there)
                continue
            if there.worker.boot != hello.boot:
                reason = f"another worker that lives is named {hello.name}"
                raise _Unwelcome(CloseCode.REJECTED, reason)
            if listed is not None:  # one that has dialled in turns out to be one of the list
                self._adjust(there, listed)
            raise _Unwelcome(CloseCode.DUPLICATE, f"{hello.name} has a link already")

    def _welcome(
        self, hello: states.Hello, link: Link[m.FromWorker], listed: Listed | None
    ) -> Session:
        worker = self._fleet.joined(
            hello,
            address=listed.url if listed else None,
            weight=listed.weight if listed else 1.0,
            labels=listed.labels if listed else (),
        )
        session = Session(worker, link, self._fleet, self._specs, made_room=self._room_made)
        self._sessions[worker.name] = session
        calls = self._reclaimed(worker.name, worker.boot)
        session.take_over(calls)
        claims = tuple(call.claim() for call in calls)
        link.send(m.Welcome(protocol=m.PROTOCOL, name=self._name, boot=self.boot, running=claims))
        log.info("worker.joined", worker=worker.name, boot=worker.boot, peer=link.peer)
        self._room_made()
        return session

    def _adjust(self, session: Session, entry: Listed) -> None:
        self._fleet.adjust(
            session.worker, address=entry.url, weight=entry.weight, labels=entry.labels
        )

    def _closed(self, session: Session) -> None:
        """The link is down: its tasks are ended, or kept for as long as it may come back."""
        worker, link = session.worker, session.link
        if self._sessions.get(worker.name) is not session:
            return  # done when it was replaced
        del self._sessions[worker.name]
        session.ended.set()
        self._fleet.left(worker)
        started = session.lost()
        loop, key = asyncio.get_running_loop(), (worker.name, worker.boot)
        patience_s = link.heard_at + LOST_AFTER_S - time.monotonic()
        reason = link.ending.reason if link.ending is not None else "its link was lost"
        log.warning("worker.lost", worker=worker.name, reason=reason, tasks=len(started))
        comes_back = link.ending is None or link.ending.code == CloseCode.CUT
        if started and comes_back and patience_s > 0:
            self._orphans[key] = started
            timer = loop.call_later(patience_s, self._end_orphans, key)
            self._orphan_timers[key] = timer
        else:
            _lose(started, reason)
        self._room_made()

    # Tasks of a link that broke

    def _reclaimed(self, name: str, boot: str) -> list[Call]:
        """The calls that the worker may go on with; those of its earlier boots are lost."""
        for key in [key for key in self._orphans if key[0] == name and key[1] != boot]:
            self._end_orphans(key)
        calls = self._orphans.pop((name, boot), [])
        if (timer := self._orphan_timers.pop((name, boot), None)) is not None:
            timer.cancel()
        given_up = [call for call in calls if call.outcome.done()]
        _lose(given_up, "it was given up")  # what is not claimed is cancelled by the worker
        return [call for call in calls if not call.over]

    def _end_orphans(self, key: tuple[str, str]) -> None:
        timer = self._orphan_timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        _lose(self._orphans.pop(key, []), "its link was lost")

    def _end_orphans_at(self, url: str) -> None:
        """Nobody answers at that address: whoever was there will not be back in time."""
        for key in list(self._orphans):
            worker = self._fleet.roster.worker(key[0])
            if worker is not None and worker.address == url:
                self._end_orphans(key)

    # The end

    async def close(self) -> None:
        """End every link; none is opened any more."""
        self._closing = True
        dialling = list(self._dialling.values())
        for task in dialling:
            task.cancel()
        for session in list(self._sessions.values()):
            session.link.close(CloseCode.GOING_AWAY, "the balancer ends")
        if dialling:
            await asyncio.wait(dialling)
        for key in list(self._orphans):
            self._end_orphans(key)

    def _room_made(self) -> None:
        """Wake the dispatcher once for all that one frame has brought."""
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._woken)

    def _woken(self) -> None:
        self._waking = False
        self._wake()


class _Unwelcome(Exception):
    """A worker gets no link, for that reason."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def _lives(link: Link[m.FromWorker]) -> bool:
    """Whether the worker behind a link is there at this moment: it has to be heard again."""
    since = time.monotonic()
    while time.monotonic() < since + LOST_AFTER_S:
        if link.ending is not None:
            return False
        if link.heard_at > since + TICK_S:
            return True
        await asyncio.sleep(TICK_S / 2)
    return False


def _reject(link: Link[m.FromWorker], code: CloseCode, reason: str) -> None:
    log.warning("worker.rejected", peer=link.peer, reason=reason)
    link.send(m.Rejected(reason=reason))
    link.close(code, reason)


def _lose(calls: list[Call], reason: str) -> None:
    for call in calls:
        call.end(Lost(reason))
