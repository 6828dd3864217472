"""Connections to allowed addresses only: the checked address is the one connected to.

A check before the request is not enough: connecting resolves the host again, and its DNS server may
return another address the second time (DNS rebinding). Here the connector resolves once, checks the
addresses and connects to them. The URL, the Host header and the TLS server name keep the host.
"""

import socket
import ssl

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from slotgrid.net.addresses import AddressPolicy


class GuardedConnector(aiohttp.TCPConnector):
    """Connects to addresses that the policy allows; raises AddressRefused for others.

    Each connection is closed after its answer: a kept connection that the receiver has just closed
    looks like a failure, and a request that is not idempotent must not be resent.
    No limit of connections, as the wait for one would count against the connect timeout.
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
        """Check a host that is itself an address, which the resolver never sees."""
        if req.proxy is not None:
            raise ValueError("a proxy would resolve the address, which bypasses the guard")
        self._policy.check_literal(req.url.raw_host or "")
        return await super().connect(req, traces, timeout)


class GuardedResolver(AbstractResolver):
    """Resolves a host to those of its addresses that the policy allows.

    A host with an allowed and a refused address (`localhost` is both 127.0.0.1 and ::1) is reached
    at the allowed one. Raises AddressRefused if all are refused.
    """

    def __init__(self, policy: AddressPolicy, resolver: AbstractResolver) -> None:
        self._policy = policy
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The host's allowed addresses. Raises OSError if it has no address."""
        found = await self._resolver.resolve(host, port, family)
        allowed = [result for result in found if self._policy.allows(host, result["host"])]
        if not found:
            raise OSError(f"{host} has no address")
        if not allowed:
            self._policy.check(host, found[0]["host"])
        return allowed

    async def close(self) -> None:
        """Close the wrapped resolver."""
        await self._resolver.close()
