"""The proxy that a task names: it must be at an allowed address, and is reached at that address."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slotgrid.function import OptionRefused
from slotgrid.net.addresses import AddressPolicy, AddressRefused
from slotgrid.net.proxy_address import ProxyAddress

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host and port, the preferred one first. Raises OSError."""


async def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host by the machine's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def checked_proxy(
    proxy: Mapping[str, Any], policy: AddressPolicy, resolve: Resolve = addresses_of
) -> dict[str, Any]:
    """The proxy as Playwright's `new_context` gets it, checked after the resolution of its host.

    Chromium would resolve the name again and may get another address, so it gets the address that
    was checked. Not for `https`, where the certificate is for the name: then each address of the
    name must be allowed. Raises OptionRefused.
    """
    address = _address(proxy)
    scheme, host, port = address.scheme, address.host, address.port
    try:
        addresses = await resolve(host, port)
    except (OSError, UnicodeError) as cause:
        raise OptionRefused("proxy", f"the host {host} has no address") from cause
    allowed = [address for address in addresses if policy.allows(host, address)]
    if not allowed or (scheme == "https" and len(allowed) < len(addresses)):
        try:
            policy.check(host, next(one for one in addresses if one not in allowed))
        except AddressRefused as refused:
            raise OptionRefused("proxy", str(refused)) from refused
    reached = host if scheme == "https" else allowed[0]
    reached = f"[{reached}]" if ":" in reached else reached
    return {**proxy, "server": f"{scheme}://{reached}:{port}"}


def _address(proxy: Mapping[str, Any]) -> ProxyAddress:
    """The address of the proxy. Raises OptionRefused."""
    try:
        return ProxyAddress.parse(proxy["server"])
    except (KeyError, ValueError):
        raise OptionRefused(
            "proxy",
            "its server is not a URL of http, https or socks5, such as http://proxy.example.org:3128",
        ) from None
