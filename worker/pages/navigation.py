"""One navigation of a page, and why it failed in one sentence."""

import re
from dataclasses import dataclass, field

from playwright.async_api import Error, Page

from slotgrid.function import Deadline
from worker.pages.errors import AnswersWithDownload, PageUnreachable
from worker.pages.inputs import WaitUntil

MAX_PENDING = 20
"""Addresses in a list of those that a page was still waiting for."""

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
    "ERR_TUNNEL_CONNECTION_FAILED": "the proxy refused the address",
    "ERR_PROXY_CONNECTION_FAILED": "the proxy does not answer",
    "ERR_BLOCKED_BY_CLIENT": "the address was blocked",
    "ERR_INVALID_URL": "the address is not a valid URL",
    "ERR_ABORTED": "it answered with nothing to show",
}


_BAD_CERTIFICATE = (
    "its certificate is not valid; `ignore_tls_errors` in `browser` opens it nevertheless"
)


@dataclass(frozen=True)
class Waits:
    """How far a page must load, and how long that may take.

    `load_timeout_s` is a soft limit: after it, the page is used as it is. The deadline is a hard
    one. A page with scripts settles within `settle_s` after its load; 0 does not wait.
    """

    deadline: Deadline
    until: WaitUntil = "load"
    settle_s: float = 0.5
    load_timeout_s: float = 15


@dataclass
class Visit:
    """A page that was opened, and what it shows now.

    `status` is the HTTP status of that, None if it has none. `loaded` is false when the page had
    not loaded as far as `waits` ask for; `pending` lists addresses that it was still waiting for.
    """

    page: Page
    status: int | None
    waits: Waits
    loaded: bool = True
    pending: list[str] = field(default_factory=list)


async def go(page: Page, url: str, *, waits: Waits) -> Visit:
    """Navigate `page`, and wait for its load within the limits of `waits`.

    Raises PageUnreachable. Do not use the page again after that: the browser's own error page may
    arrive late, and interrupt the next navigation.
    """
    try:
        response = await page.goto(url, wait_until=waits.until, timeout=0)
    except Error as cause:
        if (reason := failure_reason(cause.message)) is None:
            raise
        kind = AnswersWithDownload if reason == DOWNLOAD else PageUnreachable
        raise kind(f"{url} cannot be opened: {reason}") from cause
    return Visit(page, response.status if response else None, waits)


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
