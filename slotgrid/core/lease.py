"""Leases: the right to a slot, with its state; and the class in which a task waits for one."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from slotgrid.core.fields import ANYWHERE
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.slots import Slot
from slotgrid.core.task import IllegalMove, Task


class LeaseState(StrEnum):
    """The states of a lease, in order. A lease that was given back has no state any more."""

    HANDED = "handed"
    """Assigned to a task that has not resumed yet."""
    HELD = "held"
    """The task has it and is about to run: its start is being recorded or sent to a worker."""
    STARTED = "started"
    """The function runs."""
    CLEANING = "cleaning"
    """The attempt has ended, and its slot is cleaned for the next task."""


HANDED, HELD = LeaseState.HANDED, LeaseState.HELD
STARTED, CLEANING = LeaseState.STARTED, LeaseState.CLEANING
"""Constants for speed: Python 3.11 is slow to look up a member of an enum."""
MOVES: Mapping[LeaseState, frozenset[LeaseState]] = {
    HANDED: frozenset({HELD}),
    HELD: frozenset({STARTED, CLEANING}),
    STARTED: frozenset({CLEANING}),
    CLEANING: frozenset(),
}


class Lease(msgspec.Struct, eq=False):
    """The right to a slot; only the dispatcher creates and ends leases."""

    slot: Slot
    cls: TaskClass
    taken_at: float
    state: LeaseState = HANDED

    def move_to(self, state: LeaseState) -> None:
        """Change the state. Raises IllegalMove for a move not in `MOVES`."""
        if state not in MOVES[self.state]:
            raise IllegalMove(f"{self.slot}: {self.state} -> {state}")
        self.state = state


def class_of(task: Task) -> TaskClass:
    """The class that the task waits in."""
    spec, place = task.spec, task.submission.place
    cls = spec.cls
    if place is not ANYWHERE:
        cls = cls._replace(pool=place.pool or spec.pool, place=place)
    return cls._replace(owner=task.owner) if task.has_share else cls
