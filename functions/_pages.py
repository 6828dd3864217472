"""What functions that open a page share: inputs, opening, waiting, and clear errors."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from playwright.async_api import ElementHandle, Error, Page
from playwright.async_api import TimeoutError as PageTimeout

from slotgrid.function import Context, Meta

Url = Annotated[
    str,
    Meta(
        pattern="^https?://",
        max_length=8192,
        description="Address of the page",
        examples=["https://example.org/"],
    ),
]
WaitUntil = Annotated[
    Literal["commit", "domcontentloaded", "load", "networkidle"],
    Meta(description="How far the page must have loaded"),
]
Selector = Annotated[str, Meta(min_length=1, max_length=2000)]
WaitFor = Annotated[
    Selector | None, Meta(description="Selector of an element to wait for, for what renders late")
]

FIND_S = 10.0
"""Seconds an element that was named may take to appear."""

_REASONS = {
    "ERR_NAME_NOT_RESOLVED": "its host name is not known",
    "ERR_CONNECTION_REFUSED": "nothing listens there",
    "ERR_CONNECTION_RESET": "the connection was cut",
    "ERR_CONNECTION_CLOSED": "the connection was closed before an answer",
    "ERR_CONNECTION_TIMED_OUT": "the connection took too long",
    "ERR_TIMED_OUT": "the answer took too long",
    "ERR_EMPTY_RESPONSE": "it answered with nothing",
    "ERR_INVALID_RESPONSE": "its answer is not HTTP",
    "ERR_INVALID_HTTP_RESPONSE": "its answer is not HTTP",
    "ERR_HTTP_RESPONSE_CODE_FAILURE": "it answered with an error and no page",
    "ERR_ADDRESS_UNREACHABLE": "no way leads to its address",
    "ERR_ADDRESS_INVALID": "its address is not a valid one",
    "ERR_INTERNET_DISCONNECTED": "this machine has no network",
    "ERR_NETWORK_CHANGED": "the network changed meanwhile",
    "ERR_TOO_MANY_REDIRECTS": "it redirects without end",
    "ERR_SSL_PROTOCOL_ERROR": "it does not speak HTTPS",
    "ERR_UNSAFE_PORT": "browsers refuse that port",
    "ERR_TUNNEL_CONNECTION_FAILED": "the proxy refused the address",
    "ERR_PROXY_CONNECTION_FAILED": "the proxy does not answer",
    "ERR_BLOCKED_BY_CLIENT": "the address was blocked",
    "ERR_INVALID_URL": "the address is not a valid URL",
    "ERR_ABORTED": "it answered with nothing to show",
}


class PageUnreachable(RuntimeError):
    """The page could not be opened; the message says in one sentence why."""


class ElementMissing(RuntimeError):
    """The page has no element that the input names."""


@dataclass(frozen=True)
class Viewport:
    """The size of the window, in CSS pixels."""

    width: Annotated[int, Meta(ge=1, le=8192)] = 1280
    height: Annotated[int, Meta(ge=1, le=8192)] = 720


@dataclass(frozen=True)
class Visit:
    """A page that was opened; `status` is the HTTP status of what it shows."""

    page: Page
    status: int | None


async def open_page(
    context: Context,
    url: str,
    *,
    wait_until: WaitUntil = "load",
    wait_for: str | None = None,
    viewport: Viewport | None = None,
) -> Visit:
    """Open `url` in the task's page and wait as told, for as long as the task's deadline allows.

    Raises PageUnreachable when there is no page, ElementMissing when `wait_for` does not appear.
    """
    page = await context.page()
    if viewport is not None:
        await page.set_viewport_size({"width": viewport.width, "height": viewport.height})
    visit = await go(page, url, wait_until=wait_until)
    if wait_for is not None:
        await find(page, wait_for)
    return visit


async def go(page: Page, url: str, *, wait_until: WaitUntil) -> Visit:
    """Navigate `page`, for as long as that takes: the caller's deadline is the only one.

    Raises PageUnreachable. Do not use the page again after that: the browser's own error page may
    arrive late, and interrupt the next navigation.
    """
    try:
        response = await page.goto(url, wait_until=wait_until, timeout=0)
    except Error as cause:
        if (reason := _reason(cause.message)) is None:
            raise
        raise PageUnreachable(f"{url} cannot be opened: {reason}") from cause
    return Visit(page, response.status if response else None)


def _reason(message: str) -> str | None:
    """Say why a navigation failed; None when the failure was not the address's."""
    if "Download is starting" in message:
        return "it answers with a download, not with a page"
    if "Cannot navigate to invalid URL" in message:
        return "the address is not a valid URL"
    if (found := re.search(r"net::(ERR_\w+)", message)) is None:
        return None
    code = found[1]
    known = "its certificate is not valid" if code.startswith("ERR_CERT_") else _REASONS.get(code)
    return f"{known} ({code})" if known else code


async def find(
    page: Page, selector: str, *, state: Literal["attached", "visible"] = "visible"
) -> ElementHandle:
    """Wait for the first element that `selector` names, at most `FIND_S`.

    Raises ElementMissing when none comes, ValueError when the selector cannot be read.
    """
    try:
        element = await page.wait_for_selector(selector, state=state, timeout=FIND_S * 1000)
    except PageTimeout as cause:
        raise ElementMissing(
            f"{page.url} showed no element that matches {selector!r} within {FIND_S:g} s"
        ) from cause
    except Error as cause:
        raise selector_fault(selector, cause) from cause
    assert element is not None  # only `detached` and `hidden` may give none
    return element


def selector_fault(selector: str, error: Error) -> Exception:
    """Return what to raise for `error`: a ValueError when the selector is what is wrong."""
    if "while parsing" in error.message or "not a valid selector" in error.message:
        return ValueError(f"{selector!r} is not a valid selector")
    return error
