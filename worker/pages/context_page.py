"""The page of a task, in a browser context as the task's caller wants it."""

import time
from typing import Any

from msgspec.structs import replace
from playwright.async_api import Page

from slotgrid.function import Context, InputRefused, OptionRefused
from slotgrid.url_credentials import split_credentials
from worker.pages.browser_options import BrowserOptions, Cookie, Proxy
from worker.pages.inputs import Viewport
from worker.pages.origins import origin_of, site_origins
from worker.pages.site_headers import SiteHeaders

_FIELDS = {
    "locale": "locale",
    "timezone_id": "timezone",
    "storage_state": "storage_state",
    "user_agent": "user_agent",
    "geolocation": "geolocation",
    "viewport": "viewport",
    "proxy": "proxy/server",
    "device_scale_factor": "device_scale_factor",
    "color_scheme": "color_scheme",
    "http_credentials": "credentials",
    "is_mobile": "mobile",
    "has_touch": "mobile",
    "permissions": "geolocation",
    "java_script_enabled": "javascript",
    "ignore_https_errors": "ignore_tls_errors",
    "service_workers": "headers",
}
"""Our names of the options that Playwright or the worker may refuse."""
_SAME_SITE = {"strict": "Strict", "lax": "Lax", "none": "None"}


def without_credentials(url: str) -> str:
    """The address without `user:password@`."""
    return split_credentials(url)[0]


def past_proxy(browser: BrowserOptions, url: str) -> BrowserOptions:
    """The options, with the host and port of `url` reached directly, not by their proxy."""
    origin = origin_of(url)
    if browser.proxy is None or origin is None:
        return browser
    bypass = [*browser.proxy.bypass, origin.partition("://")[2]]
    return replace(browser, proxy=replace(browser.proxy, bypass=bypass))


async def open_context_page(
    context: Context,
    url: str,
    browser: BrowserOptions | None = None,
    *,
    viewport: Viewport | None = None,
) -> Page:
    """The task's page for a visit of `url`, which is not opened yet.

    A user name and a password in `url` are used for HTTP authentication at its origin; open
    `without_credentials(url)`. `viewport` sets the size of the window.
    Raises InputRefused for options that cannot be fulfilled.
    """
    wanted = browser or BrowserOptions()
    if viewport is not None and wanted.viewport is not None:
        raise InputRefused("viewport", "`viewport` and `browser.viewport` are given; give one")
    options = context_options(wanted, url)
    own = site_headers(wanted, url)
    headers = SiteHeaders(wanted.headers, list(own)) if own else None
    if not options and headers is None:
        page = await context.page()
    else:
        try:
            page = await context.page(options, prepare=headers.install if headers else None)
        except OptionRefused as refused:
            raise _in_our_words(refused, browser) from refused
        if headers is not None and not headers.are_in(page.context):
            raise InputRefused("browser/headers", _ALREADY_OPEN)
    if viewport is not None:
        await page.set_viewport_size({"width": viewport.width, "height": viewport.height})
    return page


def site_headers(browser: BrowserOptions, url: str) -> dict[str, dict[str, str]]:
    """The headers of `browser` for each origin that gets them, if `url` is the task's address."""
    if not browser.headers:
        return {}
    origins = [*site_origins(url), *filter(None, map(origin_of, browser.header_origins))]
    return dict.fromkeys(origins, browser.headers)


def context_options(browser: BrowserOptions, url: str) -> dict[str, Any]:
    """The arguments for Playwright's `new_context`; empty if nothing is asked for.

    Raises InputRefused for a cookie that the browser would drop, and for credentials given twice.
    """
    options: dict[str, Any] = {
        "user_agent": browser.user_agent,
        "locale": browser.locale,
        "timezone_id": browser.timezone,
        "device_scale_factor": browser.device_scale_factor,
        "color_scheme": browser.color_scheme,
        "http_credentials": _http_credentials(browser, url),
        "proxy": None if browser.proxy is None else _proxy(browser.proxy),
        "storage_state": _storage_state(browser, url),
    }
    if browser.viewport is not None:
        size = browser.viewport
        options["viewport"] = {"width": size.width, "height": size.height}
    if browser.mobile:
        options |= {"is_mobile": True, "has_touch": True}
    if browser.geolocation is not None:
        place = browser.geolocation
        options["permissions"] = ["geolocation"]
        options["geolocation"] = {
            "latitude": place.latitude,
            "longitude": place.longitude,
            "accuracy": place.accuracy_m,
        }
    if not browser.javascript:
        options["java_script_enabled"] = False
    if browser.ignore_tls_errors:
        options["ignore_https_errors"] = True
    if browser.headers:
        # A service worker sends the page's requests itself, without the headers of the site.
        options["service_workers"] = "block"
    return {name: value for name, value in options.items() if value is not None}


def _http_credentials(browser: BrowserOptions, url: str) -> list[dict[str, str]] | None:
    """The login of the block, or the one in the address, for the origins that may get it."""
    in_url, given = split_credentials(url)[1], browser.credentials
    if in_url is not None and given is not None:
        raise InputRefused("browser/credentials", "the address has a user name or password too")
    if given is not None:
        login = given.username, given.password
        origins = site_origins(given.origin or url)
    elif in_url is not None:
        login, origins = in_url, site_origins(url)
    else:
        return None
    return [{"username": login[0], "password": login[1], "origin": origin} for origin in origins]


def _proxy(proxy: Proxy) -> dict[str, str]:
    server, login = split_credentials(proxy.server)
    options = {"server": server}
    if login is not None:
        options |= {"username": login[0], "password": login[1]}
    elif proxy.username is not None:
        options |= {"username": proxy.username, "password": proxy.password or ""}
    if proxy.bypass:
        # Otherwise Playwright lets all of loopback pass a proxy that one loopback host passes.
        options["bypass"] = ",".join(["<-loopback>", *proxy.bypass])
    return options


def _storage_state(browser: BrowserOptions, url: str) -> dict[str, Any] | None:
    """The saved login together with the cookies, which Playwright sets in one step."""
    if browser.storage_state is None and not browser.cookies:
        return None
    stored: dict[str, Any] = {"cookies": [], "origins": [], **(browser.storage_state or {})}
    given = [_cookie(cookie, number, url) for number, cookie in enumerate(browser.cookies)]
    return {**stored, "cookies": [*stored["cookies"], *given]}


def _cookie(cookie: Cookie, number: int, url: str) -> dict[str, Any]:
    """The cookie as in a saved login. Raises InputRefused if the browser would drop it."""

    def refused(why: str, field: str = "") -> InputRefused:
        return InputRefused(f"browser/cookies/{number}{field}", why)

    origin = origin_of(cookie.url or url)
    if cookie.domain is None and origin is None:
        raise refused("the address that it belongs to is not a valid URL")
    of_https = cookie.domain is None and origin is not None and origin.startswith("https:")
    secure = of_https if cookie.secure is None else cookie.secure
    if cookie.expires is not None and cookie.expires < time.time():
        raise refused("is in the past, so the browser would drop the cookie", "/expires")
    needs_secure = cookie.name.lower().startswith(("__secure-", "__host-"))
    if not secure and (needs_secure or cookie.same_site == "none"):
        raise refused("the browser would drop the cookie unless `secure` is true", "/secure")
    same_site = {} if cookie.same_site is None else {"sameSite": _SAME_SITE[cookie.same_site]}
    return {
        "name": cookie.name,
        "value": cookie.value,
        "domain": cookie.domain or _host_of(origin or ""),
        "path": cookie.path,
        "expires": -1 if cookie.expires is None else cookie.expires,
        "httpOnly": cookie.http_only,
        "secure": secure,
        **same_site,
    }


def _host_of(origin: str) -> str:
    """The host of an origin, without its port; with the brackets of an IPv6 address."""
    host = origin.partition("://")[2]
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


_ALREADY_OPEN = (
    "the task's browser context is already open, with other options; "
    "they count only in the call that opens it"
)


def _in_our_words(refused: OptionRefused, browser: BrowserOptions | None) -> InputRefused:
    """The refusal by the field that is at fault."""
    if browser is None:  # only the login in the address can be at fault
        return InputRefused("url", f"its login {refused}")
    name = _FIELDS.get(refused.option or "")
    if name == "credentials" and browser.credentials is None:
        return InputRefused("url", f"its login {refused}")
    if name == "storage_state" and browser.storage_state is None:
        name = "cookies"
    return InputRefused(f"browser/{name}" if name else "browser", str(refused))
