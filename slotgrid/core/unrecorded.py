"""How many slots stand idle while the starts of their durable tasks are written down."""

import math
from collections.abc import Callable

from slotgrid.core.queue import TaskClass

COMPANY_S = 0.25
"""For so long after a task that is not durable took a slot, others like it are expected."""


class Unrecorded:
    """Counts the leases whose durable task may not run its first line yet: a database is asked.

    Where tasks come that need no database, such leases hold at most half of the slots, but one in
    any case: a disk that is slow for a moment then holds nobody up who does not need it. A durable
    task that is held back keeps its place and takes the next slot once a start is on record;
    meanwhile one behind it that needs no database may take a slot.
    """

    def __init__(self) -> None:
        self._counts: dict[TaskClass, int] = {}
        self.company_at = -math.inf
        """When a task that needs no database took a slot last."""
        self._held_back = False

    def may_begin(self, cls: TaskClass, size: Callable[[TaskClass], int], now: float) -> bool:
        """Whether one more may take a slot; `size` tells how many a class of tasks can use."""
        if now > self.company_at + COMPANY_S:
            return True
        share = cls.share
        count = self._counts.get(share, 0)
        may = not count or count < size(cls.plain) // 2
        self._held_back |= not may
        return may

    def began(self, cls: TaskClass) -> None:
        """A durable task took a slot."""
        share = cls.share
        self._counts[share] = self._counts.get(share, 0) + 1

    def ended(self, cls: TaskClass) -> bool:
        """Its start is on record, or it gave the slot back before; whether any was held back."""
        self._counts[cls.share] -= 1
        held_back, self._held_back = self._held_back, False
        return held_back
