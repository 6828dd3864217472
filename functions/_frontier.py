"""What a crawl visits next. Decides, without I/O."""

from collections import deque
from collections.abc import Iterable
from fnmatch import fnmatchcase

from ._urls import key_of, site_of

MAX_FOUND = 100_000
"""Addresses remembered; a site that makes up links without end must not fill the memory."""

MAX_FOUND_CHARS = 64 * 1024 * 1024
"""Characters of the remembered addresses, for the same reason."""


class Frontier:
    """The addresses of one site, nearest to the start first, each once.

    The site is the one where the start led. `match` is a shell pattern: unlike a regular expression
    of a stranger it is quick on any text.
    """

    def __init__(self, start: str, *, max_depth: int, match: str) -> None:
        self._site = site_of(start)
        self._max_depth = max_depth
        self._match = match
        self._found = {key_of(start)}
        self._found_chars = 0
        self._visited: set[str] = set()
        self._waiting = deque([(start, 0)])

    @property
    def found(self) -> int:
        """How many addresses were seen, visited or not."""
        return len(self._found)

    @property
    def waiting(self) -> int:
        """How many addresses may still be visited."""
        return len(self._waiting)

    def owns(self, url: str) -> bool:
        """Whether an address is one of the crawl's site."""
        return site_of(url) == self._site

    def leads_on(self, url: str, links: Iterable[str]) -> bool:
        """Whether a page at `url` with these links leads to another page of its site.

        While nothing else waits, only an address that was not found yet leads on.
        """
        here, site = key_of(url), site_of(url)
        others = (key_of(link) for link in links if site_of(link) == site)
        return any(key != here and (self._waiting or key not in self._found) for key in others)

    def take(self) -> tuple[str, int] | None:
        """Return the next address and its depth; None when all were visited."""
        while self._waiting:
            url, depth = self._waiting.popleft()
            key = key_of(url)
            if key not in self._visited:  # else a redirect led there meanwhile
                self._visited.add(key)
                return url, depth
        return None

    def arrived(self, url: str, depth: int, links: Iterable[str]) -> None:
        """Note where a visit ended, and its links, unless it ended on another site."""
        if depth == 0:
            self._site = site_of(url)
        self._visited.add(key_of(url))
        self._found.add(key_of(url))
        if not self.owns(url) or depth >= self._max_depth:
            return
        for link in links:
            if self.owns(link) and fnmatchcase(link, self._match):
                self._find(link, depth + 1)

    def _find(self, url: str, depth: int) -> None:
        key = key_of(url)
        if key in self._found or len(self._found) >= MAX_FOUND:
            return
        if self._found_chars + len(url) <= MAX_FOUND_CHARS:
            self._found_chars += len(url)
            self._found.add(key)
            self._waiting.append((url, depth))
