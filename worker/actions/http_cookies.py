"""Cookies of the browser for requests without it."""

import time
from email.utils import parsedate_to_datetime
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Error

_SAME_SITE = {"strict": "Strict", "lax": "Lax", "none": "None"}


class ContextCookies:
    """Fulfils `http_client.Cookies` with those of a browser context."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context

    async def for_url(self, url: str) -> str:
        """The value of the header `Cookie`, as the browser would send it to its own site."""
        found = await self._context.cookies(url.partition("#")[0])
        return "; ".join(f"{one['name']}={one['value']}" for one in found)

    async def keep(self, url: str, cookies: SimpleCookie) -> None:
        """Keep what an answer sets, and remove what it removes."""
        for morsel in cookies.values():
            await self._keep_one(url, morsel)

    async def _keep_one(self, url: str, morsel: "Morsel[str]") -> None:
        cookie = _cookie_of(url, morsel)
        if cookie is None:
            return
        try:
            if -1 < cookie["expires"] <= time.time():
                await self._context.clear_cookies(
                    name=cookie["name"], domain=cookie["domain"], path=cookie["path"]
                )
            else:
                await self._context.add_cookies([cookie])  # type: ignore[list-item]  # a TypedDict
        except Error:
            return  # one that the browser would drop, too


def _cookie_of(url: str, morsel: "Morsel[str]") -> dict[str, Any] | None:
    """The cookie for Playwright; None for one of another site, which browsers drop."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    domain = morsel["domain"].lower().lstrip(".")
    if domain and domain != host and not ("." in domain and host.endswith(f".{domain}")):
        return None
    path = morsel["path"]
    if not path.startswith("/"):
        path = parts.path.rpartition("/")[0] or "/"
    cookie = {
        "name": morsel.key,
        "value": morsel.coded_value,
        "domain": f".{domain}" if domain else host,
        "path": path,
        "expires": _expiry(morsel),
        "httpOnly": bool(morsel["httponly"]),
        "secure": bool(morsel["secure"]),
    }
    if same_site := _SAME_SITE.get(str(morsel["samesite"]).lower()):
        cookie["sameSite"] = same_site
    return cookie


def _expiry(morsel: "Morsel[str]") -> float:
    """In seconds since the epoch; -1 for the end of the session."""
    if morsel["max-age"]:
        try:
            return max(0.0, time.time() + int(morsel["max-age"]))
        except ValueError:
            pass
    if morsel["expires"]:
        try:
            return max(0.0, parsedate_to_datetime(morsel["expires"]).timestamp())
        except ValueError:
            pass
    return -1
