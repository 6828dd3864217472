"""Addresses as a crawl compares them: whose they are, and which are one. Decides, without I/O.

Every address here was resolved by the browser, so it is in the normal form of the URL standard.
"""

import re
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ROUTES = ("/", "!")


def site_of(url: str) -> str:
    """Return the site of an address: what a crawl does not leave.

    One host name and port. Scheme (with its default port), a leading `www.` and a dot at the end
    of the name make no difference.
    """
    parts = urlsplit(url)
    name = (parts.hostname or "").removesuffix(".")
    apex = name.removeprefix("www.")
    port = parts.port if parts.port != _DEFAULT_PORTS.get(parts.scheme) else None
    return f"{apex if '.' in apex else name}:{port or ''}"


def page_of(url: str, *, routes: bool = False) -> str:
    """Return the address of the document, without fragment; with `routes`, `#/a` and `#!a` stay."""
    document, _, fragment = url.partition("#")
    return url if routes and fragment.startswith(_ROUTES) else document


def key_of(url: str) -> str:
    """Return what two addresses of one page have in common.

    The site stands for scheme and host; escapes are compared by RFC 3986 (6.2.2): `%7e` is `~`,
    `%c3` is `%C3`. Queries are left in their order, since only the site knows what that means.
    """
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return site_of(url) + _ESCAPE.sub(_same_escape, parts.path + query) + fragment


def origin_of(url: str) -> str:
    """Return scheme, host and port: what has a robots.txt of its own."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"


def _same_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()
