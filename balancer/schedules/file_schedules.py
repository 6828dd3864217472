"""Puts the schedules of `schedules.yaml` on record, at the start and when the file changes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import structlog

from balancer.schedules.definitions import Definitions
from balancer.schedules.schedule import Schedule
from balancer.schedules.schedules import definition, keeps_next
from balancer.schedules.schedules_file import SchedulesFile
from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.database import Database
from slotgrid.records.store import schedules as store
from slotgrid.records.store.rows import Connection
from slotgrid.records.store.schedules import FILE, Definition, Stored
from slotgrid.runtime.background import background

log = structlog.get_logger()

T = TypeVar("T")

AT_ONCE = 200
"""Schedules in one transaction."""
LOOK_EVERY_S = 0.5
"""Between two looks at the file, as for `workers.json`."""
FILE_OWNER = "root"
"""The owner of a schedule of the file that names none."""


class FileSchedules:
    """Keeps the record in step with the file; its schedules win over those of the API.

    Several balancers of one database need the same file: the last one that reads a changed file
    puts its list on record. A balancer that never had a file leaves the record alone, unless no
    other node can share it.
    """

    def __init__(
        self,
        file: SchedulesFile,
        database: Database,
        definitions: Definitions,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._file = file
        self._database = database
        self._definitions = definitions
        self._wake = wake
        self._recorded: tuple[Schedule, ...] | None = None

    def health(self) -> dict[str, Any]:
        """The part of `/health` about the file."""
        return {"in_file": len(self._file.value or ()), "file_fault": self._file.fault}

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follow the file while the block runs. The database is open."""
        with suppress(DatabaseUnavailable):  # the watch tries again
            await self.look()
        async with background(self._watch, name="schedules file"):
            yield

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(DatabaseUnavailable):
                await self.look()

    async def look(self) -> None:
        """Read the file if it has changed, and record it. Raises DatabaseUnavailable."""
        await asyncio.to_thread(self._file.look)  # ten thousand schedules take seconds
        entries = self._file.value
        if entries is None and self._database.is_sqlite and self._file.fault is None:
            entries = ()
        if entries is None or entries == self._recorded:
            return
        found = await self._database.read(partial(store.of_origin, origin=FILE))
        of_file = {stored.name: stored for stored in found}
        gone = sorted(of_file.keys() - {schedule.name for schedule in entries})
        changed = [
            schedule
            for schedule in entries
            if not _is_recorded(schedule, of_file.get(schedule.name))
        ]
        for names in _parts(gone):
            await self._database.write(partial(store.remove, names=names))
        done = [
            await self._database.write(partial(_record, entries=some)) for some in _parts(changed)
        ]
        if all(done):
            self._recorded = entries
        for name in (*gone, *(schedule.name for schedule in changed)):
            self._definitions.forget(name)
        self._wake()


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in parts that each are one transaction: other writes get their turn between."""
    return (items[first : first + AT_ONCE] for first in range(0, len(items), AT_ONCE))


def _of_file(schedule: Schedule) -> Definition:
    return definition(schedule, owner=schedule.owner or FILE_OWNER, origin=FILE)


def _is_recorded(schedule: Schedule, stored: Stored | None) -> bool:
    new = _of_file(schedule)
    return stored is not None and (stored.body, stored.owner, stored.enabled) == (
        new.body,
        new.owner,
        new.enabled,
    )


def _record(connection: Connection, entries: Sequence[Schedule]) -> bool:
    """Record schedules of the file; False if another node changed one of them meanwhile."""
    done = True
    for schedule in entries:
        new = _of_file(schedule)
        old = store.get(connection, schedule.name)
        if old is None:
            done &= store.create(connection, new)
            continue
        if old.origin != FILE:
            log.warning("schedules.file_replaced_one_of_the_api", schedule=schedule.name)
        done &= store.replace(connection, new, seen=old, keep_next=keeps_next(schedule, old))
    return done
