"""How many tasks wait for one slot of a persistent pool, and the limit of that."""

from collections.abc import Callable
from typing import Any

from slotgrid.core.fields import Place
from slotgrid.core.priority_queue import TaskClass, TaskQueue
from slotgrid.core.slots import SlotSource


class SlotQueues:
    """Counts the tasks that wait for one slot: callers' tasks in the queue, and all durable ones.

    `durable_waiting` returns how many durable tasks wait for the slot of a place, in memory and on
    disk; they are not counted in the queue as well.
    """

    def __init__(self, queue: TaskQueue[Any], slots: SlotSource) -> None:
        self._queue = queue
        self._slots = slots
        self.durable_waiting: Callable[[Place], int] = lambda _: 0

    def full(self, cls: TaskClass, more: int) -> str | None:
        """Why `more` tasks of the class may not wait as well; None if they may, or without a limit.

        The cost is the number of waiting classes, plus that of the tasks that wait for the slot.
        """
        limit = self._slots.queue_limit(cls)
        if limit is None:
            return None
        waiting = self.waiting(cls)
        if waiting + more <= limit:
            return None
        where = f'slot {cls.slot} of the pool "{cls.pool}"'
        if cls.place.worker is not None:
            where += f' of the worker "{cls.place.worker}"'
        return f"{waiting} tasks are waiting for {where}, the limit is {limit}"

    def waiting(self, cls: TaskClass) -> int:
        """How many tasks wait for the slot that the class names."""
        callers = self._queue.count_bounded(lambda other: other.place.same_slot(cls.place))
        return callers + self.durable_waiting(cls.place)
