"""Limits the slots that wait while the database records the starts of durable tasks."""

import math
from collections.abc import Callable

from slotgrid.core.queue import TaskClass

COMPANY_S = 0.25
"""The limit applies for so long after a task that is not durable took a slot."""


class Unrecorded:
    """Counts the leases whose durable task waits until the database has recorded its start.

    While non-durable tasks also arrive, such leases hold at most half of the slots, but always at
    least one: a slow disk then does not delay tasks that need no database. A durable task that is
    held back keeps its place in the queue until another start is recorded; meanwhile a non-durable
    task behind it may take a slot.
    """

    def __init__(self) -> None:
        self._counts: dict[TaskClass, int] = {}
        self.company_at = -math.inf
        """The last time that a non-durable task took a slot, on the dispatcher's clock."""
        self._held_back = False

    def may_begin(self, cls: TaskClass, size: Callable[[TaskClass], int], now: float) -> bool:
        """Whether one more durable task may take a slot; `size`: the slots that a class can use."""
        if now > self.company_at + COMPANY_S:
            return True
        share = cls.share
        count = self._counts.get(share, 0)
        may = not count or count < size(cls.plain) // 2
        self._held_back |= not may
        return may

    def began(self, cls: TaskClass) -> None:
        """Count a durable task that took a slot."""
        share = cls.share
        self._counts[share] = self._counts.get(share, 0) + 1

    def ended(self, cls: TaskClass) -> bool:
        """Uncount a recorded start or a returned slot; whether any task was held back."""
        self._counts[cls.share] -= 1
        held_back, self._held_back = self._held_back, False
        return held_back
