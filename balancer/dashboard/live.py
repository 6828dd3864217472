"""Updates boards once a second, for as long as pages watch them."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from balancer.dashboard.board import Board
from balancer.dashboard.snapshot import Look, Snapshot

EVERY_S = 1.0
BOARDS_LIMIT = 64
"""Boards above which unwatched ones are evicted; a page of an evicted board is sent all again."""

log = structlog.get_logger()


class Live:
    """A board for each look, and the number of its watchers."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._boards: OrderedDict[Look, Board] = OrderedDict()
        self._watchers: Counter[Look] = Counter()
        self._news = asyncio.Event()
        self.ended = False

    @property
    def watchers(self) -> int:
        """How many watchers there are now."""
        return self._watchers.total()

    def board(self, look: Look) -> Board:
        """The board of the look, updated now."""
        board = self._boards.setdefault(look, Board())
        self._boards.move_to_end(look)
        board.put(self._snapshot.take(look))
        for other in list(self._boards):
            if len(self._boards) <= BOARDS_LIMIT:
                break
            if not self._watchers[other] and other != look:
                del self._boards[other]
        return board

    @contextmanager
    def watching(self, look: Look) -> Iterator[Board]:
        """The board of the look, updated while the block runs."""
        board = self.board(look)
        self._watchers[look] += 1
        try:
            yield board
        finally:
            self._watchers[look] -= 1
            if not self._watchers[look]:
                del self._watchers[look]

    async def news(self) -> None:
        """Wait for the next update, or for the end."""
        if not self.ended:
            await self._news.wait()

    def end(self) -> None:
        """End the streams of all watchers."""
        self.ended = True
        self._notify()

    async def running(self) -> None:
        """Each second: add a point to the trend, and update the watched boards."""
        loop = asyncio.get_running_loop()
        at = loop.time()
        while True:
            # By the clock, so that the period does not drift; after a stall no second is made up.
            at = max(at + EVERY_S, loop.time())
            await asyncio.sleep(at - loop.time())
            try:
                self._snapshot.close_second()
                for look in self._watchers:
                    self._boards[look].put(self._snapshot.take(look))
            except Exception:  # a defect of a page must not stop the balancer
                log.exception("dashboard.defect")
            self._notify()

    def _notify(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
