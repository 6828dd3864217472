"""Keeps boards up to date, once a second, for as long as somebody watches them."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from balancer.dashboard.board import Board
from balancer.dashboard.snapshot import Look, Snapshot

EVERY_S = 1.0
BOARDS_LIMIT = 64
"""Boards kept although nobody watches; a page whose board is gone is sent everything again."""

log = structlog.get_logger()


class Live:
    """A board for each look, and those who watch it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._boards: OrderedDict[Look, Board] = OrderedDict()
        self._watchers: Counter[Look] = Counter()
        self._news = asyncio.Event()
        self.ended = False

    @property
    def watchers(self) -> int:
        """How many watch at this moment."""
        return self._watchers.total()

    def board(self, look: Look) -> Board:
        """The board of the look, as things stand now."""
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
        """The board of the look, kept up to date for as long as the block runs."""
        board = self.board(look)
        self._watchers[look] += 1
        try:
            yield board
        finally:
            self._watchers[look] -= 1
            if not self._watchers[look]:
                del self._watchers[look]

    async def news(self) -> None:
        """Return at the next second, or when there will be no other."""
        if not self.ended:
            await self._news.wait()

    def end(self) -> None:
        """Let everyone who watches go."""
        self.ended = True
        self._tell()

    async def running(self) -> None:
        """Close each second of the trend, and look anew for those who watch."""
        loop = asyncio.get_running_loop()
        at = loop.time()
        while True:
            # By the clock, so that a second lasts one; after a stall the lost ones stay lost.
            at = max(at + EVERY_S, loop.time())
            await asyncio.sleep(at - loop.time())
            try:
                self._snapshot.close_second()
                for look in self._watchers:
                    self._boards[look].put(self._snapshot.take(look))
            except Exception:  # a page that stands still must not stop a fleet
                log.exception("dashboard.defect")
            self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
