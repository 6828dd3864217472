"""All links of a worker: incoming ones from balancers, and those that it dials itself."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import msgspec
import structlog
from aiohttp import ClientSession, web

from slotgrid.core.node_state import NodeState
from slotgrid.net.dialling import keep_dialling
from slotgrid.runtime.background import background
from slotgrid.wire import link_sockets
from slotgrid.wire.awake_timer import AwakeTimer
from slotgrid.wire.encoding import from_balancer
from slotgrid.wire.limits import GRACE_S, REPORT_EVERY_S, REPORT_WITHIN_S
from slotgrid.wire.link import Link
from slotgrid.wire.link_ending import CloseCode, LinkEnding
from slotgrid.wire.messages import Draining, FromBalancer, Report, Welcome
from worker.uplink.balancer_requests import RequestHandlers
from worker.uplink.balancer_session import BalancerSession
from worker.uplink.relay import BalancerLink
from worker.uplink.remote_tasks import RemoteTasks
from worker.uplink.status_messages import StatusMessages

log = structlog.get_logger()

REPORT_ENDS_S = 2.0
"""Time limit at shutdown for reporting the ends of tasks to balancers."""


class Uplink:
    """Fulfils `slotgrid.intake.api.link.Acceptor`.

    `key` is the shared secret of both ends; `addresses` are the balancers that this worker dials.
    """

    def __init__(
        self,
        *,
        key: str,
        addresses: tuple[str, ...],
        facts: StatusMessages,
        tasks: RemoteTasks,
        answers: RequestHandlers,
    ) -> None:
        self._key = key
        self._addresses = addresses
        self._facts = facts
        self.tasks = tasks
        """The balancers' tasks, for the supervisor's wiring."""
        self._answers = answers
        self._balancers: dict[str, BalancerLink] = {}
        self._grace: dict[str, AwakeTimer] = {}
        self._conversations: set[BalancerSession] = set()
        self._report_timer: asyncio.TimerHandle | None = None
        self._looked_at = -math.inf
        self._said: Report | None = None
        self._rejected: dict[str, str] = {}
        """Why balancers rejected this worker at the last try, by address."""
        self._closing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Dial and report while the block runs."""
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(ClientSession())
            _ = await stack.enter_async_context(background(self._keep_reporting, name="reports"))
            for address in self._addresses:
                dial = partial(self._dial, session, address)
                loop = partial(keep_dialling, dial, kind="uplink", balancer=address)
                _ = await stack.enter_async_context(background(loop, name=f"link to {address}"))
            try:
                yield
            finally:
                await self.close()
                for timer in self._grace.values():
                    timer.cancel()

    async def accept(self, request: web.Request) -> web.WebSocketResponse:
        """Serve an incoming link whose key has been checked."""
        return await link_sockets.serve(request, from_balancer(), self.converse)

    async def converse(self, link: Link[FromBalancer]) -> LinkEnding:
        """Exchange messages with a balancer until the link ends."""
        if self._closing:
            link.close(CloseCode.GOING_AWAY, "the worker exits")
        conversation = BalancerSession(link, self.tasks, self._answers, self._welcomed)
        link.send(self._facts.hello(self.tasks.running()))
        self._conversations.add(conversation)
        try:
            ending = await link.run(conversation.receive)
        finally:
            self._conversations.discard(conversation)
            await conversation.end()
            if conversation.balancer is not None:
                self._lost(conversation.balancer, link)
        self._note_end(link.peer, ending)
        return ending

    async def _dial(self, session: ClientSession, address: str) -> bool:
        """Dial a balancer, and exchange messages with it until the link ends."""
        link = await link_sockets.dial(session, address, self._key, from_balancer())
        try:
            await self.converse(link)
        except Exception:
            link.close(CloseCode.DEFECT, "the worker failed")
            raise
        return True

    def changed(self) -> None:
        """Schedule a report, as its content may have changed.

        Debounce: the report is sent in the next loop iteration, but REPORT_WITHIN_S after the
        last such check at the earliest, and only if its content has changed.
        """
        if self._conversations and self._report_timer is None:
            loop = asyncio.get_running_loop()
            at = max(loop.time(), self._looked_at + REPORT_WITHIN_S)
            self._report_timer = loop.call_at(at, self._report_change)

    def status_changed(self, state: NodeState) -> None:
        """Schedule a report of the worker's new state; before it, send `draining` if it drains."""
        if state is NodeState.DRAINING:
            for link in self._links():
                link.send(Draining())
        self.changed()

    def functions_changed(self) -> None:
        """Send the changed functions on all links."""
        if links := self._links():
            message = self._facts.functions()
            for link in links:
                link.send(message)

    async def close(self) -> None:
        """Close every link, after all ends of tasks are reported or TELL_ENDS_S have passed.

        Later links are closed at once.
        """
        self._closing = True
        if any(balancer.link for balancer in self._balancers.values()):
            try:
                async with asyncio.timeout(REPORT_ENDS_S):
                    await self.tasks.wait_reported()
            except TimeoutError:
                log.warning("uplink.ends_untold", waited_s=REPORT_ENDS_S)
        for conversation in list(self._conversations):
            conversation.link.close(CloseCode.GOING_AWAY, "the worker exits")

    def _note_end(self, peer: str, ending: LinkEnding) -> None:
        """Log the end of a link. A rejection repeats with each retry; log only the first."""
        if ending.code != CloseCode.REJECTED:
            self._rejected.pop(peer, None)
            log.info("uplink.ended", balancer=peer, code=ending.code, reason=ending.reason)
        elif self._rejected.get(peer) != ending.reason:
            self._rejected[peer] = ending.reason
            log.warning("uplink.rejected", balancer=peer, reason=ending.reason)

    def _welcomed(self, welcome: Welcome, link: Link[FromBalancer]) -> BalancerLink:
        """Register the link of a balancer that accepted this worker: a new or a returning one."""
        balancer = self._balancers.get(welcome.boot)
        if balancer is None:
            balancer = BalancerLink(welcome.boot, welcome.name, welcome.protocol)
            self._balancers[welcome.boot] = balancer
        if (timer := self._grace.pop(welcome.boot, None)) is not None:
            timer.cancel()
        if balancer.link is not None:
            balancer.link.close(CloseCode.REPLACED, "the balancer has a newer link")
        balancer.link = link
        self._rejected.pop(link.peer, None)
        log.info("uplink.welcomed", balancer=welcome.name, address=link.peer)
        self.tasks.agree(balancer, welcome.running)
        # For changes since `hello`, which were not reported.
        link.send(_readable(self._facts.report(), balancer))
        return balancer

    def _lost(self, balancer: BalancerLink, link: Link[FromBalancer]) -> None:
        """Start the grace period: after GRACE_S without a new link, the tasks are cancelled."""
        if balancer.link is not link:
            return
        balancer.link = None
        self._grace[balancer.boot] = AwakeTimer(GRACE_S, partial(self._give_up, balancer))

    def _give_up(self, balancer: BalancerLink) -> None:
        del self._grace[balancer.boot]
        del self._balancers[balancer.boot]
        self.tasks.give_up(balancer)

    def _links(self) -> list[Link[FromBalancer]]:
        return [
            conversation.link
            for conversation in self._conversations
            if conversation.balancer is not None
        ]

    def _report_change(self) -> None:
        self._report_timer = None
        self._looked_at = asyncio.get_running_loop().time()
        report = self._facts.report()
        if self._said is None or not _same(report, self._said):
            self._send(report)

    def _report(self) -> None:
        self._send(self._facts.report())

    def _send(self, report: Report) -> None:
        self._said = report
        for conversation in self._conversations:
            if (balancer := conversation.balancer) is not None:
                conversation.link.send(_readable(report, balancer))

    async def _keep_reporting(self) -> None:
        """Send a report each REPORT_EVERY_S, also without changes; send tags if they changed."""
        tags = self._facts.tags()
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            if not self._conversations:
                continue
            self._report()
            if (now := self._facts.tags()) != tags:
                tags = now
                for link in self._links():
                    link.send(tags)


def _readable(report: Report, balancer: BalancerLink) -> Report:
    """The report without what the balancer does not know."""
    if balancer.knows_slots or not report.free_slots:
        return report
    return msgspec.structs.replace(report, free_slots={})


def _same(one: Report, other: Report) -> bool:
    """Whether two reports are equal, apart from values that fluctuate, such as system load."""
    return (
        one.free == other.free
        and one.free_slots == other.free_slots
        and one.status == other.status
        and one.held == other.held
        and one.queue == other.queue
        and one.services == other.services
        and one.browsers == other.browsers
    )
