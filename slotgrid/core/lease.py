"""Leases: the right to a slot; and the class in which a task waits for one."""

from typing import Protocol

import msgspec

from slotgrid.core.fields import ANYWHERE
from slotgrid.core.queue import TaskClass
from slotgrid.core.slots import Slot
from slotgrid.core.task import Task


class Giver(Protocol):
    """The issuer of a lease."""

    def give_back(self, lease: "Lease") -> None:
        """End the lease."""


class Lease(msgspec.Struct, eq=False):
    """The right to a slot; only the dispatcher creates and ends leases."""

    giver: Giver
    slot: Slot
    cls: TaskClass
    taken_at: float
    kept: bool = False

    def keep(self) -> None:
        """Keep the lease beyond its `async with`, until `give_back`."""
        self.kept = True

    def give_back(self) -> None:
        """End a lease that was kept."""
        self.giver.give_back(self)


def class_of(task: Task) -> TaskClass:
    """The class that the task waits in."""
    spec, place = task.spec, task.submission.place
    if place is ANYWHERE:
        return spec.cls
    return spec.cls._replace(pool=place.pool or spec.pool, place=place)
