"""Connections to allowed addresses only: the address that was checked is the one connected to.

A check before the request would not do: the host is resolved again to connect, and whoever answers
for its name may answer differently the second time (DNS rebinding). Here there is one resolution,
its addresses are checked, and those are connected to. The URL keeps its host, and so do the Host
header and the name that TLS asks the certificate for.
"""

import socket
import ssl

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from slotgrid.core.addresses import AddressPolicy


class GuardedConnector(aiohttp.TCPConnector):
    """Connects where the policy allows; raises AddressRefused where it does not.

    Every connection is closed after its answer: a kept one that the other side has just dropped
    looks like a failure, and a request that is not idempotent cannot simply be sent again.
    The number of connections has no limit here, for waiting for one would count as connecting.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(
            resolver=GuardedResolver(policy, resolver or ThreadedResolver()),
            use_dns_cache=False,
            ssl=tls or True,
            force_close=True,
            limit=0,
        )
        self._policy = policy

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.connector.Connection:
        """Check what no resolver is asked about: a host that is itself an address."""
        if req.proxy is not None:
            raise ValueError("a proxy would choose the address; none may be used here")
        self._policy.check_literal(req.url.raw_host or "")
        return await super().connect(req, traces, timeout)


class GuardedResolver(AbstractResolver):
    """Gives those addresses of a host that the policy allows.

    A host with an allowed address beside a refused one (`localhost` is both 127.0.0.1 and ::1) can
    be asked, at the allowed one. Raises AddressRefused when none is left.
    """

    def __init__(self, policy: AddressPolicy, resolver: AbstractResolver) -> None:
        self._policy = policy
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The host's allowed addresses. Raises OSError when it has none at all."""
        found = await self._resolver.resolve(host, port, family)
        allowed = [result for result in found if self._policy.allows(host, result["host"])]
        if not found:
            raise OSError(f"{host} has no address")
        if not allowed:
            self._policy.check(host, found[0]["host"])
        return allowed

    async def close(self) -> None:
        """Close the resolver that is asked."""
        await self._resolver.close()
