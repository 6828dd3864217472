"""Waiting tasks and their waits over the last minutes."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from slotgrid.core.observer import Observer
from slotgrid.core.task import Task

KEPT_S = 15 * 60


class Point(NamedTuple):
    """One second; waits are in seconds."""

    at: int
    """Seconds since the epoch."""
    waiting: int
    running: int
    started: int
    mean_wait_s: float | None
    """Of the tasks that started; None if none did."""
    longest_wait_s: float
    """Of the started and the waiting tasks, so that a queue that does not move is visible."""


class Trend(Observer):
    """A ring of points, one a second, with or without viewers."""

    def __init__(self, *, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self.points: deque[Point] = deque(maxlen=KEPT_S)
        self._started = 0
        self._sum_s = 0.0
        self._longest_s = 0.0

    def started(self, task: Task) -> None:
        """Count the wait of a task that has got a slot."""
        if task.spec.needs_slot:
            self.count_wait(task.queued_s)

    def count_wait(self, wait_s: float) -> None:
        """Count a task that got a slot after `wait_s` seconds."""
        self._started += 1
        self._sum_s += wait_s
        self._longest_s = max(self._longest_s, wait_s)

    def close_second(self, *, waiting: int, running: int, waits_s: Iterable[float]) -> Point:
        """Add the point of the past second; `waits_s` are the waits of the queued tasks."""
        count = self._started
        point = Point(
            at=int(self._wall_clock()),
            waiting=waiting,
            running=running,
            started=count,
            mean_wait_s=round(self._sum_s / count, 4) if count else None,
            longest_wait_s=round(max(self._longest_s, max(waits_s, default=0.0)), 4),
        )
        self.points.append(point)
        self._started, self._sum_s, self._longest_s = 0, 0.0, 0.0
        return point
