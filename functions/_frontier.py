"""What a crawl visits next. Decides, without I/O."""

from collections import deque
from collections.abc import Iterable
from fnmatch import fnmatchcase

from ._robots import Robots
from ._urls import host_of, normalise

MAX_FOUND = 100_000
"""Addresses remembered; a site that makes up links without end must not fill the memory."""


class Frontier:
    """The addresses of one host, nearest to the start first, each once.

    `match` is a shell pattern: unlike a regular expression of a stranger it is quick on any text.
    """

    def __init__(self, start: str, *, max_depth: int, match: str, robots: Robots) -> None:
        self.refused_by_robots = 0
        self._host = host_of(start)
        self._max_depth = max_depth
        self._match = match
        self._robots = robots
        self._found = {start}
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

    def take(self) -> tuple[str, int] | None:
        """Return the next address and its depth; None when all were visited."""
        while self._waiting:
            url, depth = self._waiting.popleft()
            if url in self._visited:
                continue  # a redirect led there meanwhile
            if self._robots.refusal(url) is not None:
                self.refused_by_robots += 1
                continue
            self._visited.add(url)
            return url, depth
        return None

    def arrived(self, url: str, depth: int, links: Iterable[str]) -> None:
        """Note where a visit ended, and its links, unless it ended on another host."""
        self._visited.add(url)
        self._found.add(url)
        if host_of(url) != self._host or depth >= self._max_depth:
            return
        for link in links:
            target = normalise(link, url)
            if target is None or target in self._found or len(self._found) >= MAX_FOUND:
                continue
            if host_of(target) == self._host and fnmatchcase(target, self._match):
                self._found.add(target)
                self._waiting.append((target, depth + 1))
