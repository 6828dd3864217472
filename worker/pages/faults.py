"""Why a page cannot be opened or read, in one sentence."""

import re

from playwright.async_api import Page

from worker.pages.activity import is_navigation
from worker.pages.visits import Stopwatch

DOWNLOAD = "it answers with a download, not with a page"

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
    "ERR_TUNNEL_CONNECTION_FAILED": "the traffic guard or a proxy did not open a connection",
    "ERR_PROXY_CONNECTION_FAILED": "the proxy does not answer",
    "ERR_BLOCKED_BY_CLIENT": "the address was blocked",
    "ERR_INVALID_URL": "the address is not a valid URL",
    "ERR_ABORTED": "it answered with nothing to show",
}
_BAD_CERTIFICATE = (
    "its certificate is not valid; `ignore_tls_errors` in `browser` opens it nevertheless"
)

GUARD_STATUSES = frozenset({403, 502, 504})
GUARD_REASON = "document.querySelector('meta[name=slotgrid-guard]')?.content ?? null"
"""Script that gives the reason of a document with which the traffic guard answers, else null."""


def failure_reason(message: str) -> str | None:
    """Say why a navigation failed; None when the failure was not the address's."""
    if "Download is starting" in message:
        return DOWNLOAD
    if "Cannot navigate to invalid URL" in message:
        return "the address is not a valid URL"
    if (found := re.search(r"net::(ERR_\w+)", message)) is None:
        return None
    code = found[1]
    known = _BAD_CERTIFICATE if code.startswith("ERR_CERT_") else _REASONS.get(code)
    return f"{known} ({code})" if known else code


async def unanswered(page: Page, url: str, stopwatch: Stopwatch) -> str:
    """Say what of a navigation to `url` had not arrived when `stopwatch` was read."""
    asked = [one for one in await page.requests() if is_navigation(one, page)]
    last = asked[-1] if asked else None
    name = f"{url} led to {last.url}, which" if last and last.redirected_from else url
    if last is not None and (response := last.existing_response) is not None:
        return f"{name} answered with HTTP {response.status}, but no page came within {stopwatch}"
    return f"{name} had not answered after {stopwatch}"


ASKED_S = 0.05
"""A page that had less time to respond says nothing by its silence."""


async def unresponsive(page: Page, stopwatch: Stopwatch) -> str:
    """Say why the page did not respond: it waits for another document, or its scripts are busy."""
    last = next((one for one in reversed(await page.requests()) if is_navigation(one, page)), None)
    if last and last.failure is None and last.existing_response is None:
        return f"{page.url} moved on to {last.url}, which had not answered after {stopwatch}"
    if stopwatch.seconds < ASKED_S:
        return f"{page.url} moved on until its time was over"
    return (
        f"{page.url} did not respond for {stopwatch}: its scripts keep it busy, or it is too large"
    )


async def lost(page: Page, url: str) -> str:
    """Say why a page that had loaded shows the browser's own error page now."""
    last = next((one for one in reversed(await page.requests()) if is_navigation(one, page)), None)
    reason = failure_reason(last.failure or "") if last else None
    to = f"{last.url}, which" if last else "an address that"
    return f"{url} moved on to {to} cannot be opened" + (f": {reason}" if reason else "")
