"""One link per worker: its handshake, and at its end the failover of its tasks."""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any
from uuid import uuid4

import structlog
from aiohttp import web

from balancer.fleet.fleet import Fleet
from balancer.fleet.message_limits import NAME_CHARS, check_hello
from balancer.fleet.orphans import Orphans
from balancer.fleet.remote_call import LINK_LOST
from balancer.fleet.worker_session import WorkerSession
from slotgrid.core.schema import SchemaFault
from slotgrid.core.spec import FunctionSpec
from slotgrid.runtime.workers_file import Listed
from slotgrid.wire import link_sockets
from slotgrid.wire import messages as m
from slotgrid.wire.encoding import ProtocolFault, from_worker, same_major
from slotgrid.wire.functions import SpecReader
from slotgrid.wire.limits import HANDSHAKE_S, LOST_AFTER_S, TICK_S
from slotgrid.wire.link import Link
from slotgrid.wire.link_ending import CloseCode, LinkEnding

log = structlog.get_logger()

ON_PURPOSE = frozenset({CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.REJECTED})
"""Codes of links that were closed on purpose, so their workers need not reconnect soon."""

REJECTED_KEPT = 1000


def was_rejected(ending: LinkEnding) -> bool:
    """Whether this balancer rejected the worker, which is in the log already."""
    return not ending.by_peer and ending.code in {CloseCode.REJECTED, CloseCode.DUPLICATE}


class Links:
    """All links of this balancer; accepts those of workers that dial in.

    Name and boot identify a worker. A new link replaces a silent one of the same name. While the
    old link is alive, a second link of its boot is a duplicate, and another boot is rejected.
    `wake` is called when waiting tasks may find a slot; `clock` gives monotonic seconds.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        name: str,
        wake: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fleet = fleet
        self._name = name
        self._wake = wake
        self._clock = clock
        self._waking = False
        self._specs = SpecReader()
        self._sessions: dict[str, WorkerSession] = {}
        self._at: dict[str, WorkerSession] = {}
        self._orphans = Orphans()
        self._at_the_door: dict[str, str] = {}
        self._rejected: dict[str, str] = {}
        """The reason of each worker's last rejection, by name."""
        self._closing = False
        self.boot = uuid4().hex
        """New at each start, so that a worker can match its tasks to a balancer's process."""

    def session(self, name: str) -> WorkerSession | None:
        """The session of the worker of that name, if its link is up."""
        return self._sessions.get(name)

    def at(self, url: str) -> WorkerSession | None:
        """The session of the worker listed at that address, if its link is up."""
        return self._at.get(url)

    def pending_link(self, name: str) -> str | None:
        """The boot of a worker of that name whose handshake waits for the check of its old link."""
        return self._at_the_door.get(name)

    @property
    def calls(self) -> int:
        """Tasks of this balancer at a worker, on their way there, or orphaned."""
        return sum(session.calls for session in self._sessions.values()) + len(self._orphans)

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Serve a worker that dials in, until its link ends. Its key has been checked."""

        async def converse(link: Link[m.FromWorker]) -> None:
            ending = await self.serve(link, listed=None)
            if not was_rejected(ending):
                log.info("link.closed", peer=link.peer, code=ending.code, reason=ending.reason)

        return await link_sockets.serve(request, from_worker(), converse)

    async def serve(self, link: Link[m.FromWorker], *, listed: Listed | None) -> LinkEnding:
        """Do the handshake with a worker, and serve its link until it ends."""
        greeting: asyncio.Future[m.Hello] = asyncio.get_running_loop().create_future()
        session: WorkerSession | None = None

        def receive(message: object) -> None:
            if session is not None:
                session.receive(message)
            elif isinstance(message, m.Hello) and not greeting.done():
                greeting.set_result(message)

        running = asyncio.create_task(link.run(receive), name=f"link {link.peer}")
        try:
            first: list[asyncio.Future[Any]] = [running, greeting]
            await asyncio.wait(first, timeout=HANDSHAKE_S, return_when=asyncio.FIRST_COMPLETED)
            if greeting.done():
                session = await self._greet(greeting.result(), link, listed)
            else:
                link.close(CloseCode.HANDSHAKE, f"no hello within {HANDSHAKE_S:g} s")
            return await running
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait({running})
            if session is not None:
                self._closed(session)

    def adjust(self, entry: Listed) -> None:
        """Apply a changed entry of the list."""
        if (session := self._at.get(entry.url)) is not None:
            self._fleet.adjust(
                session.worker, address=entry.url, weight=entry.weight, labels=entry.labels
            )

    def disconnected_at(self, url: str) -> None:
        """No link can be opened to that address: its worker will not reconnect in time."""
        for worker in self._fleet.roster.workers():
            if worker.address == url:
                self._orphans.end_started(worker.name)
                self._fleet.will_not_return(worker)
        self.slot_freed()

    def slot_freed(self) -> None:
        """Wake the dispatcher, once for all messages of a frame."""
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._woken)

    async def close(self) -> None:
        """End every link, and accept no more."""
        self._closing = True
        for session in list(self._sessions.values()):
            session.link.close(CloseCode.GOING_AWAY, "the balancer exits")
        self._orphans.end_all()

    def _woken(self) -> None:
        self._waking = False
        self._wake()

    # The handshake

    async def _greet(
        self, hello: m.Hello, link: Link[m.FromWorker], listed: Listed | None
    ) -> WorkerSession | None:
        """Welcome or reject the worker; None if rejected, or if the link is already down."""
        try:
            check_hello(hello)
            # In a thread: compiling the schemas of many functions takes long.
            functions = await asyncio.to_thread(
                self._specs.specs, hello.functions, group=hello.group, contract=hello.contract
            )
            await self._check(hello, listed)
        except ProtocolFault as fault:
            self._reject(link, hello.name, CloseCode.REJECTED, str(fault))
        except (SchemaFault, ValueError) as fault:
            reason = f"a function is not valid: {fault}"
            self._reject(link, hello.name, CloseCode.REJECTED, reason)
        except _Unwelcome as why:
            self._reject(link, hello.name, why.code, why.reason)
        else:
            if link.ending is None:
                return self._welcome(hello, functions, link, listed)
        return None

    async def _check(self, hello: m.Hello, listed: Listed | None) -> None:
        """Check that the worker may be welcomed now. Raises _Unwelcome."""
        if self._closing:
            raise _Unwelcome(CloseCode.GOING_AWAY, "the balancer exits")
        if not same_major(hello.protocol, m.PROTOCOL):
            reason = f"protocol {hello.protocol} is spoken there, {m.PROTOCOL} here"
            raise _Unwelcome(CloseCode.REJECTED, reason)
        while (there := self._sessions.get(hello.name)) is not None:
            if not await self._is_alive(there, hello):
                there.link.close(CloseCode.REPLACED, "the worker has a newer link")
                self._closed(there, is_back=there.worker.boot == hello.boot)
                continue
            if there.worker.boot != hello.boot:
                reason = f"another live worker is named {hello.name}"
                raise _Unwelcome(CloseCode.REJECTED, reason)
            if listed is not None:  # the worker that dialled in is a listed one
                self._at[listed.url] = there
                self.adjust(listed)
            raise _Unwelcome(CloseCode.DUPLICATE, f"{hello.name} already has a link")

    def _welcome(
        self,
        hello: m.Hello,
        functions: Collection[FunctionSpec],
        link: Link[m.FromWorker],
        listed: Listed | None,
    ) -> WorkerSession:
        worker = self._fleet.joined(
            hello,
            functions,
            address=listed.url if listed else None,
            weight=listed.weight if listed else 1.0,
            labels=listed.labels if listed else (),
        )
        session = WorkerSession(worker, link, self._fleet, self._specs, made_room=self.slot_freed)
        self._sessions[worker.name] = session
        self._rejected.pop(worker.name, None)
        if listed is not None:
            self._at[listed.url] = session
        calls = self._orphans.reclaim(worker.name, worker.boot)
        session.take_over(calls, hello.running.get(self.boot, ()))
        claims = tuple(call.claim() for call in calls)
        link.send(m.Welcome(protocol=m.PROTOCOL, name=self._name, boot=self.boot, running=claims))
        log.info("worker.joined", worker=worker.name, boot=worker.boot, peer=link.peer)
        self.slot_freed()
        return session

    def _reject(self, link: Link[m.FromWorker], name: str, code: CloseCode, reason: str) -> None:
        """Reject a worker; logged once per reason, since the worker retries."""
        name = name[:NAME_CHARS]
        if self._rejected.get(name) != reason:
            self._rejected[name] = reason
            log.warning("worker.rejected", peer=link.peer, worker=name, reason=reason)
            if len(self._rejected) > REJECTED_KEPT:
                del self._rejected[next(iter(self._rejected))]
        link.send(m.Rejected(reason=reason))
        link.close(code, reason)

    async def _is_alive(self, session: WorkerSession, other: m.Hello) -> bool:
        """Whether the worker of a link is alive now: a new message must arrive to prove it."""
        link, until = session.link, self._clock() + LOST_AFTER_S
        # Messages that are already under way prove nothing about now.
        since = time.monotonic() + TICK_S
        self._at_the_door[other.name] = other.boot
        try:
            while self._clock() < until and link.ending is None:
                if link.heard_at > since:
                    return True
                await asyncio.sleep(TICK_S / 2)
        finally:
            self._at_the_door.pop(other.name, None)
        return False

    # The end

    def _closed(self, session: WorkerSession, *, is_back: bool = False) -> None:
        """The link is down: end its tasks, or keep them while the worker may reconnect.

        `is_back`: the worker has reconnected on another link and is about to be welcomed.
        """
        worker, link = session.worker, session.link
        if self._sessions.get(worker.name) is not session:
            return  # already closed when it was replaced
        del self._sessions[worker.name]
        for url in [url for url, there in self._at.items() if there is session]:
            del self._at[url]  # a worker may be listed at several addresses
        session.ended.set()
        ending = link.ending
        on_purpose = worker.draining or (ending is not None and ending.code in ON_PURPOSE)
        self._fleet.disconnected(worker, may_return_s=0.0 if on_purpose else LOST_AFTER_S)
        calls = session.lost()
        reason = ending.reason if ending is not None else LINK_LOST
        broke = ending is None or ending.code == CloseCode.CUT
        # A worker that closes its link in order has begun no task without a `started`.
        goodbye = ending is not None and ending.by_peer and ending.code == CloseCode.GOING_AWAY
        if worker.draining and not calls:
            log.info("worker.left", worker=worker.name, reason=reason)
        else:
            log.warning("worker.lost", worker=worker.name, reason=reason, tasks=len(calls))
        is_back = is_back or self._at_the_door.get(worker.name) == worker.boot
        patience_s = LOST_AFTER_S if is_back else LOST_AFTER_S - link.silent_s
        if (broke or is_back) and patience_s > 0:
            self._orphans.keep(calls, for_s=patience_s)
        else:
            for call in calls:
                call.lose(reason, gone=goodbye)
        self.slot_freed()


class _Unwelcome(Exception):
    """The rejection of a worker: close code and reason."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
