"""The address of a caller, behind trusted proxies too."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from aiohttp import web

Networks = Sequence[IPv4Network | IPv6Network]
TRUSTED = web.AppKey[Networks]("trusted_proxies")


def address_of(request: web.Request) -> str | None:
    """The address of the request's caller."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return caller_address(request.remote, forwarded, request.config_dict[TRUSTED])


def caller_address(remote: str | None, forwarded: str, trusted: Networks) -> str | None:
    """The address of the caller: the last hop that is not a trusted proxy.

    `forwarded` is `X-Forwarded-For`, to whose right end each proxy adds the address of its client.
    A caller can forge the entries to the left of those that trusted proxies added.
    """
    address = remote
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while address is not None and hops and _within(address, trusted):
        address = hops.pop()
    return address


def _within(address: str, networks: Networks) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks if network.version == parsed.version)
