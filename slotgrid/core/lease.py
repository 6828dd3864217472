"""A lease: the right to a slot; and the class that a task waits for one in."""

from typing import Protocol

import msgspec

from slotgrid.core.fields import ANYWHERE
from slotgrid.core.queue import TaskClass
from slotgrid.core.slots import Slot
from slotgrid.core.task import Task


class Giver(Protocol):
    """Whoever gave a lease."""

    def started(self, lease: "Lease") -> None:
        """The durable task of that lease is on record as begun."""

    def give_back(self, lease: "Lease") -> None:
        """End the lease."""


class Lease(msgspec.Struct, eq=False):
    """The right to a slot; only the dispatcher makes and takes back leases."""

    giver: Giver
    slot: Slot
    cls: TaskClass
    taken_at: float
    unrecorded: bool = False
    kept: bool = False

    def keep(self) -> None:
        """Hold it beyond its `async with`, up to `give_back`."""
        self.kept = True

    def started(self) -> None:
        """The start of its durable task is on record."""
        self.giver.started(self)

    def give_back(self) -> None:
        """End a lease that was kept."""
        self.giver.give_back(self)


def class_of(task: Task) -> TaskClass:
    """The class that the task waits in."""
    spec, submission = task.spec, task.submission
    place, durable = submission.place, submission.mode.durable
    if place is ANYWHERE and not durable:
        return spec.cls
    return TaskClass(
        spec.group,
        spec.contract,
        place.pool or spec.pool,
        place,
        spec.name if spec.gated else None,
        durable,
    )
