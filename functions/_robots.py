"""What the robots.txt of a host permits a crawl, by RFC 9309."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin

from playwright.async_api import APIRequestContext, Error
from protego import Protego

from ._urls import origin_of

MAX_ROBOTS_BYTES = 500 * 1024
"""A robots.txt is read so far, as RFC 9309 (2.5) permits; an incomplete last line is left out."""

MAX_REDIRECTS = 5
"""After more redirects a robots.txt counts as absent (RFC 9309, 2.3.1.2)."""

MAX_DELAY_S = 10.0
"""A host that asks for a longer pause between pages gets this one, or a crawl would never end."""

_AGENT_LINE = re.compile(r"\s*user[- ]?agent\s*:\s*([\w-]+|\*)?", re.ASCII | re.IGNORECASE)
_TOKEN = re.compile(r"[\w-]+", re.ASCII)
_NO_AGENT = "/"
"""Replaces the agents that are not ours: no product token contains a slash."""

_REASONS = {
    "ENOTFOUND": "its host name is not known",
    "EAI_AGAIN": "its host name is not known",
    "ECONNREFUSED": "nothing listens there",
    "ECONNRESET": "the connection was cut",
    "socket hang up": "the connection was cut",
    "Timeout": "the answer took too long",
    "certificate": "its certificate is not valid",
}
_HOST_DOWN = frozenset({"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED"})


class RobotsForbid(RuntimeError):
    """The start of a crawl is an address that its host's robots.txt forbids."""


@dataclass(frozen=True)
class Robots:
    """The rules of one host for one crawl; without `rules`, everything is permitted.

    `unreadable` says why a host's rules cannot be known: then everything is forbidden. `host_down`:
    because nothing of that host can be had.
    """

    url: str = ""
    agent: str = ""
    rules: Protego = field(default_factory=Protego)
    unreadable: str | None = None
    host_down: bool = False

    @classmethod
    def parse(cls, text: str, *, agent: str, url: str = "") -> "Robots":
        """Read a robots.txt for `agent`: a product token, or a whole User-Agent header."""
        tokens = {token.lower() for token in _TOKEN.findall(agent)}
        lines = [_adapted(line, tokens) for line in text.removeprefix("\ufeff").splitlines()]
        return cls(url, " ".join(tokens), Protego.parse("\n".join(lines)))

    @property
    def delay_s(self) -> float:
        """The pause between pages that the host asks for, at most `MAX_DELAY_S`."""
        delay_s = self.rules.crawl_delay(self.agent) or 0
        if rate := self.rules.request_rate(self.agent):
            delay_s = max(delay_s, rate.seconds / rate.requests)
        return min(delay_s, MAX_DELAY_S)

    def refusal(self, url: str) -> str | None:
        """Why the crawl must not visit `url`, as a sentence; None when it may."""
        if self.unreadable is not None:
            return f"{self.url} cannot be read ({self.unreadable}), so it forbids {url}"
        if not self.rules.can_fetch(_with_query_decoded(url), self.agent):
            return f"{self.url} forbids {url}"
        return None


@dataclass(frozen=True)
class Identity:
    """How a crawl shows itself: the header `user_agent`, and `agent`, which robots.txt addresses.

    `agent` is a product token, or a whole header, of which each product counts.
    """

    user_agent: str
    agent: str


class RobotsFiles:
    """The robots.txt of each host that a crawl visits, fetched once.

    `site_headers` has the further headers for each origin that gets some. If not `obeyed`,
    everything is permitted and nothing is fetched.
    """

    def __init__(
        self,
        requests: APIRequestContext,
        identity: Identity,
        site_headers: Mapping[str, Mapping[str, str]],
        *,
        obeyed: bool,
    ) -> None:
        self.obeyed = obeyed
        self._requests = requests
        self._identity = identity
        self._site_headers = site_headers
        self._by_origin: dict[str, Robots] = {}

    async def governing(self, url: str, *, seconds: float) -> Robots:
        """Return the rules that govern `url`; `seconds` bounds the time to fetch them."""
        if not self.obeyed:
            return Robots()
        origin = origin_of(url)
        if origin not in self._by_origin:
            self._by_origin[origin] = await read_robots(
                self._requests,
                url,
                agent=self._identity.agent,
                headers={
                    "User-Agent": self._identity.user_agent,
                    **self._site_headers.get(origin.removesuffix("/"), {}),
                },
                seconds=seconds,
            )
        return self._by_origin[origin]


async def read_robots(
    requests: APIRequestContext,
    page_url: str,
    *,
    agent: str,
    headers: dict[str, str] | None = None,
    seconds: float,
) -> Robots:
    """Fetch the robots.txt that governs `page_url`, by the proxy and with the cookies of its page.

    A host that answers 4xx has no rules. One that answers 429 or 5xx, or that does not answer,
    has rules that cannot be known, which RFC 9309 equates with a ban of everything.
    """
    url = urljoin(page_url, "/robots.txt")
    try:
        response = await requests.get(
            url, headers=headers, max_redirects=MAX_REDIRECTS, timeout=seconds * 1000
        )
        status, body = response.status, await response.body()
        await response.dispose()
    except Error as error:
        if "Max redirect count exceeded" in error.message:
            return Robots(url, agent)
        code, reason = _reason(error.message)
        return Robots(url, agent, unreadable=reason, host_down=code in _HOST_DOWN)
    if status == 429 or status >= 500:
        return Robots(url, agent, unreadable=f"it answers {status}")
    # Servers answer unknown addresses with a page; some send real rules as text/html, so that
    # only the content shows the difference.
    if not 200 <= status < 300 or body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return Robots(url, agent)
    return Robots.parse(_text(body), agent=agent, url=url)


def _text(body: bytes) -> str:
    if len(body) > MAX_ROBOTS_BYTES:
        end = max(body.rfind(b"\n", 0, MAX_ROBOTS_BYTES), body.rfind(b"\r", 0, MAX_ROBOTS_BYTES))
        body = body[: end + 1]
    return body.decode("utf-8", "replace")


def _adapted(line: str, tokens: set[str]) -> str:
    """Return `line` so that Protego reads it by RFC 9309.

    Protego alone takes `Slot` for a prefix of `Slotgrid`, and finds no agent in `Slotgrid/1.0`.
    """
    if (found := _AGENT_LINE.match(line)) is None:
        return _with_query_decoded(line)
    named = (found[1] or "").lower()
    return f"User-agent: {named if named == '*' or named in tokens else _NO_AGENT}"


def _with_query_decoded(text: str) -> str:
    """Decode `%2F` behind a question mark, where a slash separates nothing."""
    path, mark, query = text.partition("?")
    return path + mark + query.replace("%2F", "/").replace("%2f", "/")


def _reason(message: str) -> tuple[str, str]:
    first = message.splitlines()[0]
    return next((known for known in _REASONS.items() if known[0] in first), ("", first))
