"""The upstream proxies that the node's environment names: HTTP_PROXY, HTTPS_PROXY, NO_PROXY."""

from urllib.request import getproxies_environment
from urllib.request import proxy_bypass_environment as proxy_bypass  # type: ignore[attr-defined]

from slotgrid.net.proxy_address import ProxyAddress
from slotgrid.runtime.setting_choices import ProxyResolver
from worker.guard.requests import Request
from worker.guard.routes import Direct, Route, ThroughProxy
from worker.guard.rules import Rules
from worker.guard.streams import Stream


class Bypass:
    """One way for most targets, and the direct one for those that a list names.

    The list is that of NO_PROXY: host names, which stand for their subdomains too, with commas. Of
    Chromium's forms, `*.example.org` is read likewise; its `<-loopback>` is the rule here anyway.
    """

    def __init__(self, route: Route, hosts: str) -> None:
        self._usual = route
        self._direct = Direct()
        plain = (one.strip().removeprefix("*.") for one in hosts.split(","))
        self._hosts = {"no": ",".join(one for one in plain if one and not one.startswith("<"))}

    async def open(self, request: Request, rules: Rules) -> Stream:
        """A connection by the way for this target. Raises Refused, or OSError."""
        return await self._route(request).open(request, rules)

    def head(self, request: Request) -> bytes:
        """The head for this way."""
        return self._route(request).head(request)

    def _route(self, request: Request) -> Route:
        # The standard library's reading of NO_PROXY, typed for a mapping of another kind.
        named = proxy_bypass(str(request.target), self._hosts)
        return self._direct if named else self._usual


class BySchemes:
    """One way for tunnels (https, and WebSockets of either kind), another for plain http."""

    def __init__(self, http: Route, tunnels: Route) -> None:
        self._http = http
        self._tunnels = tunnels

    async def open(self, request: Request, rules: Rules) -> Stream:
        """A connection by the way for this target. Raises Refused, or OSError."""
        return await self._route(request).open(request, rules)

    def head(self, request: Request) -> bytes:
        """The head for this way."""
        return self._route(request).head(request)

    def _route(self, request: Request) -> Route:
        return self._tunnels if request.is_tunnel else self._http


def node_route(*, resolver: ProxyResolver) -> Route:
    """The way that this process's environment prescribes.

    The operator named these proxies, so their own addresses may be private.
    Raises ValueError for a proxy that cannot be used.
    """
    proxies = getproxies_environment()

    def route(scheme: str) -> Route:
        url = proxies.get(scheme) or proxies.get("all")
        if not url:
            return Direct()
        url = url.replace("socks5h://", "socks5://", 1)  # curl's word for one that gets names
        address = ProxyAddress.parse(url, default_scheme="http")
        return ThroughProxy(address, resolver=resolver, trusted=True)

    if not {"http", "https", "all"} & proxies.keys():
        return Direct()
    both = BySchemes(route("http"), route("https"))
    return Bypass(both, proxies["no"]) if proxies.get("no") else both
