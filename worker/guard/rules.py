"""Which targets pages may reach, decided by the address that is connected to."""

import asyncio
import copy
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

from slotgrid.net.addresses import AddressKind, AddressPolicy, embedded, kind_of
from worker.guard.requests import Request, Target

NODE_PAGES = ("/docs", "/problems")
"""The node's own public pages, which a first task may open. Its API is closed to pages."""

MAX_LOOKUPS = 16
"""Names that the pages of one task have resolved at once. The machine's resolver serves all tasks,
and a page could keep it busy with names that never get an answer."""

AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]


class Resolve(Protocol):
    """`getaddrinfo` of the running loop, or a fake."""

    async def __call__(self, host: str, port: int) -> list[AddrInfo]:
        """The addresses of a host. Raises OSError."""


class Refused(Exception):
    """A target that pages may not reach.

    `rule` names why: the kind of the address, or `node` for a port of this node. The message does
    not have the address: callers must not learn how names of the internal network resolve.
    """

    def __init__(self, target: Target, address: str, rule: str, way_out: str) -> None:
        super().__init__(f"{target} is closed to pages ({rule}): {way_out}")
        self.target = target
        self.address = address
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Resolved:
    """A target with the addresses that may be connected to, in the resolver's order."""

    target: Target
    addresses: tuple[AddrInfo, ...]


class Rules:
    """The policy of a node, and its own ports.

    `node_port` is open for NODE_PAGES alone; `own_ports` are those of the guard itself: with one of
    them a page could use the connections of another task. Both count on every loopback address and
    on each address of this machine.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        node_port: int,
        machine: Iterable[str] = (),
        resolve: Resolve | None = None,
    ) -> None:
        self.own_ports: set[int] = set()
        self._policy = policy
        self._node_port = node_port
        self._machine = frozenset(ip_address(one) for one in machine)
        self._resolve = resolve or _resolve
        self._lookups = asyncio.Semaphore(MAX_LOOKUPS)
        self._allowed: Callable[[str, int], bool] = lambda _host, _port: False

    def with_exceptions(self, allowed: Callable[[str, int], bool]) -> "Rules":
        """These rules, with exceptions: targets, by host and port, that may be at any address."""
        rules = copy.copy(self)
        rules._allowed = allowed
        rules._lookups = asyncio.Semaphore(MAX_LOOKUPS)
        return rules

    async def check(self, request: Request) -> Resolved:
        """The allowed addresses of a request's target. Raises Refused, or OSError."""
        return await self._check(request.target, request)

    def checks_each_request(self, target: Target) -> bool:
        """Whether the rules for a target depend on the request, not on its address alone."""
        return target.port == self._node_port

    async def proxy_addresses(self, proxy: Target, *, trusted: bool) -> tuple[AddrInfo, ...]:
        """The allowed addresses of an upstream proxy, or all of a trusted one.

        Raises Refused, or OSError.
        """
        if trusted:
            return tuple(await self._resolve(proxy.host, proxy.port))
        return (await self._check(proxy, None)).addresses

    async def check_literal(self, request: Request) -> None:
        """Refuse a target that is itself an address, in any spelling, or a name of loopback.

        Raises Refused, or OSError.
        """
        if _is_literal(request.target.host):
            await self.check(request)

    async def _check(self, target: Target, request: Request | None) -> Resolved:
        async with self._lookups:
            found = await self._resolve(target.host, target.port)
        if not found:
            raise OSError(f"{target.host} has no address")
        allowed = []
        refused = None
        for info in found:
            if (fault := self._fault(target, request, info[4][0])) is None:
                allowed.append(info)
            else:
                refused = refused or fault
        if not allowed:
            assert refused is not None
            raise refused
        return Resolved(target, tuple(allowed))

    def _fault(self, target: Target, request: Request | None, address: str) -> Refused | None:
        """Why this address is refused."""
        # A mapped address of this machine is that address.
        parsed = embedded(ip_address(address.partition("%")[0]))
        kind = kind_of(parsed)
        if kind in {AddressKind.LOOPBACK, AddressKind.UNSPECIFIED} or parsed in self._machine:
            if target.port in self.own_ports:
                return Refused(target, address, "guard", "it is a port of the guard itself")
            if target.port == self._node_port:
                if request is not None and _is_node_page(request):
                    return None
                return Refused(target, address, "node", "of this node pages reach /docs alone")
        if self._policy.allows(target.host, parsed) or self._allowed(target.host, target.port):
            return None
        return Refused(target, address, kind, "ALLOWED_PRIVATE_NETWORKS can open it")


def _is_literal(host: str) -> bool:
    """Whether resolvers read this without a name server: `127.1`, `0x7f000001`, `localhost`."""
    host = host.lower().rstrip(".")
    if host in {"*", "localhost"} or host.endswith(".localhost"):
        return True
    try:
        socket.inet_aton(host)
    except OSError:
        return ":" in host
    return True


def _is_node_page(request: Request) -> bool:
    """Whether a request is for a public page of the node, and for nothing behind it.

    After an upgrade, the rest of the connection is not checked.
    """
    path = request.path.partition("?")[0]
    return (
        request.method in {"GET", "HEAD"}
        and not request.upgrade
        and any(
            path == page or (path.startswith(f"{page}/") and ".." not in path and "%" not in path)
            for page in NODE_PAGES
        )
    )


async def _resolve(host: str, port: int) -> list[AddrInfo]:
    loop = asyncio.get_running_loop()
    if host.rstrip(".").lower().endswith(".localhost"):
        host = "localhost"  # as browsers do (RFC 6761, 6.3); the system's resolver may not
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as cause:  # Python encodes names itself: an empty or too long label
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from cause
    return [(*one,) for one in found]
