"""What a pool adds to a browser context: options of Playwright, and the proxy."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from slotgrid.url_credentials import split_credentials
from worker.pools.pool import Pool, PoolProxy


class Secrets(Protocol):
    """The secrets of the worker."""

    def value(self, name: str) -> str | None:
        """The present value of a secret; None if it is missing."""

    def fault(self, names: Iterable[str]) -> str:
        """Why what names these secrets cannot be used, such as `lacks ...`; empty if it can."""


@dataclass(frozen=True, slots=True)
class PoolBrowser:
    """The options of a pool's contexts, and their proxy, both as in Playwright's `new_context`.

    `secrets` are the values in them that are shown nowhere.
    """

    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    proxy: Mapping[str, str] | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


def browser_of(pool: Pool, secrets: Secrets) -> PoolBrowser:
    """What the pool gives its contexts. Raises ValueError for a missing secret."""
    names = list(_secret_names(pool))
    if fault := secrets.fault(names):
        raise ValueError(fault)
    values = {name: secrets.value(name) or "" for name in names}
    options = dict(pool.context_options)
    if pool.user_agent is not None:
        options["user_agent"] = pool.user_agent
    if pool.ignore_tls_errors:
        options["ignore_https_errors"] = True
    if (auth := pool.basic_auth) is not None:
        login = {"username": auth.username, "password": values[auth.secret]}
        origin = {} if auth.origin is None else {"origin": auth.origin.rstrip("/")}
        options["http_credentials"] = login | origin
    proxy = None if pool.proxy is None else _proxy(pool.proxy, values)
    hidden = [value for value in values.values() if value]
    if proxy is not None and proxy.get("password"):
        hidden.append(proxy["password"])
    return PoolBrowser(options, proxy, tuple(hidden))


def _secret_names(pool: Pool) -> Iterator[str]:
    if pool.basic_auth is not None:
        yield pool.basic_auth.secret
    if pool.proxy is not None and pool.proxy.secret is not None:
        yield pool.proxy.secret


def _proxy(proxy: PoolProxy, values: Mapping[str, str]) -> dict[str, str]:
    server, login = split_credentials(proxy.server)
    options = {"server": server}
    if login is not None:
        options |= {"username": login[0], "password": login[1]}
    if proxy.username is not None:
        options["username"] = proxy.username
    if proxy.secret is not None:
        options["password"] = values[proxy.secret]
    if proxy.bypass:
        # Otherwise Playwright lets all of loopback pass a proxy that one loopback host passes.
        options["bypass"] = ",".join(["<-loopback>", *proxy.bypass])
    return options
