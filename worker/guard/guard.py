"""The worker's guard: makes the proxies of contexts, and one for what belongs to no context."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from weakref import WeakSet

import psutil
import structlog

from slotgrid.net.addresses import AddressPolicy
from slotgrid.net.proxy_address import ProxyAddress
from slotgrid.runtime.background import background
from slotgrid.runtime.setting_choices import ProxyResolver
from worker.browser.errors import ContextOptionsRefused
from worker.guard.context_guard import ContextGuard
from worker.guard.descriptors import DescriptorShare
from worker.guard.environment import Bypass, node_route
from worker.guard.routes import Route, ThroughProxy
from worker.guard.rules import Refused, Resolve, Rules

log = structlog.get_logger()


IDLE_S = 600.0
"""A connection on which nothing moves for this long, up to twice that, is cut."""


class Guard:
    """Opens a `ContextGuard` for each context.

    `limit`: bytes that a task may move. `on_refused` gets the rule of each refusal.
    `browser` serves what belongs to no context of ours: contexts that a function opens itself, and
    the browser's own requests.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        node_port: int,
        limit: int | None,
        on_refused: Callable[[str], None],
        resolver: ProxyResolver = ProxyResolver.GUARD,
        resolve: Resolve | None = None,
    ) -> None:
        self._rules = Rules(
            policy, node_port=node_port, machine=machine_addresses(), resolve=resolve
        )
        self._limit = limit
        self._descriptors = DescriptorShare()
        self._on_refused = on_refused
        self._resolver = resolver
        self._guards: WeakSet[ContextGuard] = WeakSet()
        self._route = node_route(resolver=resolver)
        self.browser = self._made(self._route)

    @property
    def server(self) -> str:
        """The proxy of a browser's own requests, and of contexts that a function opens itself."""
        return self.browser.server

    async def open(
        self, upstream: Mapping[str, str] | None = None, *, trusted: bool = False
    ) -> ContextGuard:
        """A guard for a new context. `upstream`: a proxy as in Playwright's `new_context`.

        The address of a `trusted` one, the operator's, is not checked.
        Raises ContextOptionsRefused for an upstream proxy that cannot be used, OSError if no port
        can be opened.
        """
        guard = self._made(
            self._route if upstream is None else self._route_through(upstream, trusted=trusted)
        )
        await guard.open()
        return guard

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve what belongs to no context, for the length of the block."""
        await self.browser.open()
        try:
            async with background(self._cut_idle, name="idle connections"):
                yield
        finally:
            self.browser.close()

    async def _cut_idle(self) -> None:
        while True:
            await asyncio.sleep(IDLE_S)
            for guard in list(self._guards):
                guard.cut_idle()

    def _made(self, route: Route) -> ContextGuard:
        guard = ContextGuard(
            self._rules,
            route,
            self._refused,
            limit=self._limit,
            descriptors=self._descriptors,
        )
        self._guards.add(guard)
        return guard

    def _route_through(self, upstream: Mapping[str, str], *, trusted: bool) -> Route:
        try:
            proxy = ProxyAddress.parse(
                upstream.get("server", ""),
                username=upstream.get("username", ""),
                password=upstream.get("password", ""),
                default_scheme="http",  # as Playwright does
            )
        except ValueError as cause:
            raise ContextOptionsRefused(f"proxy: {cause}", option="proxy") from cause
        through = ThroughProxy(proxy, resolver=self._resolver, trusted=trusted)
        bypass = upstream.get("bypass", "")
        return Bypass(through, bypass) if bypass else through

    def _refused(self, refused: Refused, task_id: str | None, is_new: bool) -> None:
        self._on_refused(refused.rule)
        if not is_new:
            return
        log.info(
            "guard.refused",
            task_id=task_id,
            host=refused.target.host,
            port=refused.target.port,
            address=refused.address,
            rule=refused.rule,
        )


def machine_addresses() -> list[str]:
    """The addresses of this machine's interfaces, without IPv6 zones."""
    families = {2, 10}
    return [
        one.address.partition("%")[0]
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if int(one.family) in families
    ]
