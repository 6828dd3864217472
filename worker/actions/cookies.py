"""Cookies of a task: read, set and removed."""

import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from playwright.async_api import Error

from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.faults import short
from worker.pages.inputs import Url
from worker.pages.origins import origin_of

SameSite = Literal["Strict", "Lax", "None"]


@dataclass(frozen=True)
class KeptCookie:
    """A cookie, with Playwright's names. `expires` is in Unix seconds, -1 for the session's end."""

    name: str
    value: str
    domain: str
    path: str
    expires: float
    httpOnly: bool
    secure: bool
    sameSite: str


class NewCookie(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A cookie to set, with Playwright's names."""

    name: Annotated[str, Meta(min_length=1, max_length=4096)]
    value: Annotated[str, Meta(max_length=4096)]
    url: Annotated[
        str | None, Meta(description="Address that it is for; the current page's if left out")
    ] = None
    domain: Annotated[
        str | None, Meta(description="Instead of `url`; with a dot before it for subdomains too")
    ] = None
    path: Annotated[str | None, Meta(description="`/` if left out")] = None
    expires: Annotated[
        float | None, Meta(description="Unix seconds; -1 or nothing for the session's end")
    ] = None
    httpOnly: bool | None = None
    secure: bool | None = None
    sameSite: SameSite | None = None
    partitionKey: str | None = None


@action
async def get_cookies(
    action: ActionContext,
    urls: Annotated[
        list[Url] | None,
        Meta(description="Only those that requests to these addresses would carry"),
    ] = None,
) -> list[KeptCookie]:
    """Read the cookies of the browser, also those that scripts cannot see.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/cookies/set?colour=red"}}
    - {action: get_cookies, with: {urls: ["{{ input.site }}/"]}}
    ```
    """
    found = await (await action.page()).context.cookies(urls)
    names = KeptCookie.__dataclass_fields__
    return [
        KeptCookie(**{"sameSite": "", **{k: v for k, v in one.items() if k in names}})  # type: ignore[arg-type]
        for one in found
    ]


@action
async def set_cookies(
    action: ActionContext,
    cookies: Annotated[
        list[NewCookie], Meta(min_length=1, max_length=1000, description="The cookies")
    ],
) -> int:
    """Set cookies, and give how many there are then in all.

    Example:

    ```yaml
    - action: set_cookies
      with: {cookies: [{name: colour, value: red, url: "{{ input.site }}/"}]}
    - {action: goto, with: {url: "{{ input.site }}/cookies"}}
    ```

    Limits:

    - A cookie that Chromium refuses, such as `sameSite: None` without `secure`, is an error.
    """
    page = await action.page()
    now = time.time()
    given = [_for_playwright(one, page.url, now) for one in cookies]
    try:
        await page.context.add_cookies(given)  # type: ignore[arg-type]  # TypedDicts
    except Error:
        for one in given:  # which of them
            try:
                await page.context.add_cookies([one])  # type: ignore[list-item]
            except Error as cause:
                raise ActionFailed(
                    f"Chromium refused the cookie {one['name']!r}: {short(cause)}"
                ) from cause
    kept = await page.context.cookies()
    values = {(one["name"], one["value"]) for one in kept}
    lost = [one.name for one in cookies if (one.name, one.value) not in values]
    if lost:
        raise ActionFailed(
            f"Chromium refused the cookie {lost[0]!r}: its `secure`, `sameSite`, `domain` and "
            "prefix do not go together"
        )
    return len(kept)


def _for_playwright(cookie: NewCookie, page_url: str, now: float) -> dict[str, Any]:
    """The cookie for `add_cookies`. Raises ActionFailed."""
    given = {
        name: value for name, value in msgspec.to_builtins(cookie).items() if value is not None
    }
    if cookie.url is not None and cookie.domain is not None:
        raise ActionFailed(f"the cookie {cookie.name!r} has both `url` and `domain`: give one")
    if cookie.expires is not None and 0 <= cookie.expires <= now:
        raise ActionFailed(
            f"the cookie {cookie.name!r} expires in the past; clear_cookies removes cookies"
        )
    if cookie.domain is not None:
        given.setdefault("path", "/")
        return given
    address = cookie.url or page_url
    if origin_of(address) is None:
        raise ActionFailed(
            f"the cookie {cookie.name!r} has neither `url` nor `domain`, and the tab shows "
            f"{page_url}"
            if cookie.url is None
            else f"{address!r}, of the cookie {cookie.name!r}, is not an address of http or https"
        )
    if cookie.path is not None:  # Playwright takes no path beside an address
        parts = urlsplit(address)
        given.pop("url", None)
        return {"secure": parts.scheme == "https", **given, "domain": parts.hostname}
    # The whole site, and not the folder of that address alone.
    return {**given, "url": f"{origin_of(address)}/"}


@action
async def clear_cookies(
    action: ActionContext,
    *,
    name: Annotated[str | None, Meta(description="Only those of this name")] = None,
    domain: Annotated[
        str | None, Meta(description="Only those of this domain, as get_cookies shows it")
    ] = None,
    path: Annotated[str | None, Meta(description="Only those of this path")] = None,
) -> int:
    """Remove cookies, all or those that match, and give how many there were.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/cookies/set?colour=red&size=9"}}
    - {action: clear_cookies, with: {name: colour}}
    ```
    """
    context = (await action.page()).context
    before = len(await context.cookies())
    wanted = {"name": name, "domain": domain, "path": path}
    await context.clear_cookies(**{key: one for key, one in wanted.items() if one is not None})
    return before - len(await context.cookies())
