"""The operations on schedules, for HTTP handlers: list, find, create, replace, switch, run."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

from balancer.schedules.definitions import known_of
from balancer.schedules.firing import ScheduleFirings
from balancer.schedules.schedule import Schedule
from balancer.schedules.views import Json, ScheduleViews
from slotgrid.core.admission import Admission
from slotgrid.core.errors import (
    Conflict,
    Draining,
    Forbidden,
    InMaintenance,
    InvalidSubmission,
    NotFound,
    NoWorker,
)
from slotgrid.core.principal import Principal, Scope
from slotgrid.records.database import Database
from slotgrid.records.store import schedules as store
from slotgrid.records.store.schedule_firings import RUNS_KEPT, Fired, FiringOutcome
from slotgrid.records.store.schedules import API, FILE, Definition, Stored

RUNS_IN_LIST = 5
"""Last firings of each schedule in a list."""


class Schedules:
    """The schedules of one database, for all its balancers.

    Every method raises DatabaseUnavailable. `wake` makes the loop of due work look at once.
    """

    def __init__(
        self,
        database: Database,
        admission: Admission,
        firings: ScheduleFirings,
        views: ScheduleViews,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._admission = admission
        self._firings = firings
        self._views = views
        self._wake = wake

    async def list(self, *, limit: int, offset: int) -> tuple[Sequence[Json], int]:
        """A page of schedules by name, and the number of all."""
        found, total = await self._database.read(partial(store.page, limit=limit, offset=offset))
        names = [stored.name for stored in found]
        runs = await self._database.read(partial(store.runs, names=names, limit=RUNS_IN_LIST))
        return [self._views.show(stored, runs[stored.name]) for stored in found], total

    async def find(self, name: str) -> Json:
        """One schedule with its history. Raises NotFound."""
        stored = await self._stored(name)
        runs = await self._database.read(partial(store.runs, names=[name], limit=RUNS_KEPT))
        return self._views.show(stored, runs[name])

    async def count_by_group(self) -> dict[str, int]:
        """The number of schedules of each group."""
        counts: dict[str, int] = {}
        for group, count in (await self._database.read(store.count_by_group)).items():
            named = group or "default"
            counts[named] = counts.get(named, 0) + count
        return counts

    async def create(self, principal: Principal, given: object) -> Json:
        """Make a schedule of this principal.

        Raises InvalidSubmission, the reason why its task would be refused, Conflict if the name is
        taken, or Forbidden.
        """
        schedule = self._checked(principal, given)
        new = definition(schedule, owner=principal.name, origin=API)
        if not await self._database.write(partial(store.create, new=new)):
            raise Conflict(
                f'there is a schedule "{schedule.name}" already; PUT /schedules/{schedule.name} '
                "replaces it"
            )
        self._wake()
        return await self.find(schedule.name)

    async def replace(self, principal: Principal, name: str, given: object) -> Json:
        """Replace a schedule, which this principal then owns. Its history stays.

        Raises as `create`; NotFound if there is none; Conflict if it is of the file.
        """
        schedule = self._checked(principal, given, name=name)
        new = definition(schedule, owner=principal.name, origin=API)
        while True:  # until no other change comes between the read and the write
            stored = await self._changeable(name)
            put = partial(
                store.replace, new=new, seen=stored, keep_next=keeps_next(schedule, stored)
            )
            if await self._database.write(put):
                break
        self._changed(name)
        return await self.find(name)

    async def remove(self, name: str) -> None:
        """Remove a schedule with its history; its tasks stay. Raises NotFound, or Conflict."""
        _ = await self._changeable(name)
        if not await self._database.write(partial(store.remove, names=[name])):
            raise _unknown(name)
        self._changed(name)

    async def switch(self, name: str, *, on: bool) -> Json:
        """Switch a schedule on or off; idempotent. Raises NotFound, or Conflict.

        Firings while it is off are not missed: the next one is after the switch.
        """
        while (stored := await self._changeable(name)).enabled != on:
            schedule = known_of(stored).schedule
            if isinstance(schedule, InvalidSubmission):
                raise schedule
            after = schedule.cron.next_after
            if await self._database.write(
                partial(store.switch, seen=stored, next_after=after, on=on)
            ):
                break
        self._changed(name)
        return await self.find(name)

    async def run(self, principal: Principal, name: str, *, key: str | None = None) -> Fired:
        """Start its task now, also while it is off. The rule for overlaps applies.

        Raises NotFound, Forbidden, the reason of a refusal, or Conflict if an earlier task has not
        ended and `overlap` is `skip`.
        """
        _check_may_submit(principal)
        fired = await self._firings.run_now(name, by=principal.name, key=key or str(uuid4()))
        if fired.outcome is not FiringOutcome.STARTED:
            raise Conflict(f"{fired.reason}, and `overlap` of the schedule is `skip`")
        return fired

    def _checked(self, principal: Principal, given: object, **named: Any) -> Schedule:
        _check_may_submit(principal)
        schedule = Schedule.parse(given, **named)
        # A task that would be refused now. Workers may still come, and the node may return.
        with suppress(NoWorker, InMaintenance, Draining):
            self._admission.admit(schedule.submission, owner=principal.name)
        return schedule

    async def _stored(self, name: str) -> Stored:
        stored = await self._database.read(partial(store.get, name=name))
        if stored is None:
            raise _unknown(name)
        return stored

    async def _changeable(self, name: str) -> Stored:
        stored = await self._stored(name)
        if stored.origin == FILE:
            raise Conflict(
                f'the schedule "{name}" is of the file SCHEDULES_FILE; change it there: the '
                "balancer reads the file again"
            )
        return stored

    def _changed(self, name: str) -> None:
        self._firings.definitions.forget(name)
        self._wake()


def definition(schedule: Schedule, *, owner: str, origin: str) -> Definition:
    """The schedule as it goes on record."""
    return Definition(
        name=schedule.name,
        owner=owner,
        origin=origin,
        body=schedule.stored_body,
        enabled=schedule.enabled,
        next_after=schedule.cron.next_after,
    )


def keeps_next(schedule: Schedule, stored: Stored) -> bool:
    """Whether the replaced schedule fires at the same times, so that a due firing stays due."""
    known = known_of(stored).schedule
    return (
        isinstance(known, Schedule)
        and known.cron == schedule.cron
        and stored.enabled == schedule.enabled
    )


def _check_may_submit(principal: Principal) -> None:
    # Else a key that may not submit tasks could do so by schedules.
    if not principal.may(Scope.SUBMIT):
        raise Forbidden("the tasks of a schedule require the scope submit, which your key lacks")


def _unknown(name: str) -> NotFound:
    return NotFound(f'there is no schedule "{name}"; GET /schedules lists them')
