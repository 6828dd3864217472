"""Definitions of schedules by name, read from the database once for each version."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from balancer.schedules.schedule import Schedule
from slotgrid.core.errors import InvalidSubmission
from slotgrid.records.database import Database
from slotgrid.records.store import schedules as store

KEPT = 20_000
"""Definitions in memory: reading and parsing one costs more than its firing."""


@dataclass(frozen=True, slots=True)
class Known:
    """A definition as it was read; `schedule` is a fault if it is no longer valid."""

    owner: str
    changed_at: float
    schedule: Schedule | InvalidSubmission


class Definitions:
    """A cache. A firing checks in its transaction that the version is the current one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, Known] = OrderedDict()

    async def get(self, name: str) -> Known | None:
        """The definition, as it is or lately was; None if there is none.

        Raises DatabaseUnavailable.
        """
        if (known := self._known.get(name)) is not None:
            self._known.move_to_end(name)
            return known
        stored = await self._database.read(partial(store.get, name=name))
        if stored is None:
            return None
        known = self._known[name] = known_of(stored)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return known

    def forget(self, name: str) -> None:
        """Read the definition again when it is needed."""
        self._known.pop(name, None)


def known_of(stored: store.Stored) -> Known:
    """The definition of a record."""
    try:
        schedule: Schedule | InvalidSubmission = Schedule.stored(stored.name, stored.body)
    except InvalidSubmission as fault:  # a time zone that is gone, or another version of Slotgrid
        schedule = fault
    return Known(stored.owner, stored.changed_at, schedule)
