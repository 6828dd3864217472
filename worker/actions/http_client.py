"""One HTTP exchange with its redirects, through the task's proxy."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from worker.actions.errors import ActionFailed

MOST_REDIRECTS = 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})
CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers that stay with their origin."""
PIECE = 64 * 1024
TEXTUAL = ("text/", "application/json", "application/xml", "application/javascript")


HEAD_BYTES = 1024
"""Where a document names its encoding."""
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_DECLARED = re.compile(
    rb"""(?:<meta[^>]{0,200}charset|<\?xml[^>]{0,200}encoding)\s*=\s*["']?([\w.:-]+)""",
    re.IGNORECASE,
)
_WESTERN = frozenset({"iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii"})


class Cookies(Protocol):
    """Where the cookies of requests come from, and those of answers go to."""

    async def for_url(self, url: str) -> str:
        """The value of the header `Cookie`; empty without cookies."""

    async def keep(self, url: str, cookies: SimpleCookie) -> None:
        """Keep the cookies that an answer sets."""


@dataclass(frozen=True)
class Outgoing:
    """A request; the names of its headers are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    login: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Answer:
    """What answered. `body` is unpacked, and cut where `truncated`."""

    status: int
    url: str
    headers: dict[str, str]
    body: bytes
    truncated: bool
    redirects: list[str]

    @property
    def content_type(self) -> str:
        """The type of the body without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON, by its type."""
        return self.content_type == "application/json" or self.content_type.endswith("+json")

    def text(self) -> str | None:
        """The body as text; None if it is none."""
        textual = self.content_type.startswith(TEXTUAL) or self.content_type.endswith(
            ("+json", "+xml")
        )
        for encoding in (_mark_of(self.body), self._encoding(), "utf-8"):
            if encoding is None:
                continue
            try:
                decoder = codecs.getincrementaldecoder(encoding)()
                # Not final where the body is cut: a character may be cut with it.
                decoded = decoder.decode(self.body, final=not self.truncated)
            except (UnicodeDecodeError, LookupError):
                continue
            if textual or "\0" not in decoded:
                return decoded
        return self.body.decode("latin-1") if textual else None

    def _encoding(self) -> str | None:
        """The encoding that the header names, or else the document's own head."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        name = found[1] if found else None
        if name is None and self.content_type.endswith(("html", "xml")):
            inside = _DECLARED.search(self.body[:HEAD_BYTES])
            name = inside[1].decode("ascii") if inside else None
        # As browsers do (Encoding standard): the label of one means the other.
        return "cp1252" if name and name.lower() in _WESTERN else name


async def send(
    outgoing: Outgoing,
    *,
    proxy: str | None,
    follow: bool,
    most_bytes: int,
    cookies: Cookies | None,
    check_tls: bool,
) -> Answer:
    """Send a request, follow its redirects, and read the last answer.

    Raises ActionFailed, which says in a sentence why there is no answer.
    """
    request, redirects = outgoing, list[str]()
    try:
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
        ) as session:
            while True:
                async with session.request(
                    request.method,
                    _url_of(request.url),
                    headers=await _headers_of(request, cookies),
                    data=request.body,
                    allow_redirects=False,
                    proxy=proxy,
                    ssl=check_tls,
                ) as response:
                    _check_guard(response.headers)
                    if cookies is not None:
                        await cookies.keep(request.url, response.cookies)
                    target = _target_of(response) if follow else None
                    if target is None:
                        body, truncated = await _read(response, most_bytes)
                        return Answer(
                            response.status,
                            request.url,
                            _shown(response),
                            body,
                            truncated,
                            redirects,
                        )
                    if len(redirects) == MOST_REDIRECTS:
                        raise ActionFailed(
                            f"{outgoing.url} redirects more than {MOST_REDIRECTS} times, last to "
                            f"{target}"
                        )
                redirects.append(request.url)
                request = _next(request, response.status, target)
    except aiohttp.ClientHttpProxyError as fault:  # the guard opened no tunnel
        _check_guard(fault.headers or {})
        raise ActionFailed(f"{request.url} cannot be reached: {fault.message}") from fault
    except aiohttp.InvalidURL as fault:
        raise ActionFailed(f"{request.url!r} is not a valid address") from fault
    except (aiohttp.ClientError, OSError, ValueError) as fault:
        raise ActionFailed(f"{request.url} gave no answer: {_reason(fault)}") from fault


def _url_of(url: str) -> URL:
    try:
        return URL(url)
    except ValueError as fault:
        raise aiohttp.InvalidURL(url) from fault


async def _headers_of(request: Outgoing, cookies: Cookies | None) -> dict[str, str]:
    headers = dict(request.headers)
    if request.login is not None and "authorization" not in headers:
        headers["authorization"] = aiohttp.encode_basic_auth(*request.login)
    if cookies is not None and (value := await cookies.for_url(request.url)):
        headers["cookie"] = value
    return headers


def _target_of(response: aiohttp.ClientResponse) -> str | None:
    """Where a redirect leads; None for an answer that is none."""
    location = response.headers.get("Location")
    if response.status not in REDIRECTS or location is None:
        return None
    try:
        # A header is bytes; servers write addresses in UTF-8, which aiohttp reads with escapes.
        target = response.url.join(URL(location.encode("utf-8", "surrogateescape").decode()))
    except ValueError as fault:
        raise ActionFailed(
            f"{response.url} redirects to {location!r}, which is not a valid address"
        ) from fault
    if target.scheme not in {"http", "https"} or not target.host:
        raise ActionFailed(f"{response.url} redirects to {target}, which is not HTTP")
    return str(target)


def _next(request: Outgoing, status: int, target: str) -> Outgoing:
    """The request that a redirect leads to, as browsers make it (Fetch standard, 4.4)."""
    method, body, headers = request.method, request.body, dict(request.headers)
    if (status == 303 and method != "HEAD") or (status in {301, 302} and method == "POST"):
        method, body = "GET", None
        headers = {name: v for name, v in headers.items() if not name.startswith("content-")}
    login = request.login
    if _origin(target) != _origin(request.url):
        login = None
        headers = {name: v for name, v in headers.items() if name not in CREDENTIALS}
    fragment = "" if "#" in target else request.url.partition("#")[2]
    return Outgoing(method, target + (f"#{fragment}" if fragment else ""), headers, body, login)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


async def _read(response: aiohttp.ClientResponse, most: int) -> tuple[bytes, bool]:
    pieces, size = [], 0
    async for piece in response.content.iter_chunked(PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            break
    return b"".join(pieces)[:most], size > most


def _shown(response: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        plain = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        lower = name.lower()
        headers[lower] = f"{headers[lower]}\n{plain}" if lower in headers else plain
    return headers


def _check_guard(headers: Mapping[str, str]) -> None:
    """Raise ActionFailed if this is an answer of the traffic guard, in place of the target's."""
    status = headers.get("Proxy-Status", "")
    if status.startswith("slotgrid;"):
        raise ActionFailed(status.partition('details="')[2].rstrip('"') or "the guard refused it")


def _mark_of(body: bytes) -> str | None:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if body.startswith(mark):
            return encoding
    return None


def _reason(fault: BaseException) -> str:
    if isinstance(fault, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not valid: {fault.certificate_error}"
    if isinstance(fault, aiohttp.ServerDisconnectedError):
        return "the connection was closed before an answer"
    if isinstance(fault, aiohttp.ClientPayloadError):
        return "the connection was cut within its body"
    return str(fault).strip() or type(fault).__name__
