"""Puts the schedules of `schedules.yaml` on record, at the start and when the file changes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import structlog

from balancer.schedules.definitions import Definitions
from balancer.schedules.schedule import Schedule
from balancer.schedules.schedules import definition, keeps_next
from balancer.schedules.schedules_file import SchedulesFile
from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.database import Database
from slotgrid.records.store import schedules as store
from slotgrid.records.store.rows import Connection
from slotgrid.records.store.schedules import FILE
from slotgrid.runtime.background import background

log = structlog.get_logger()

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
        return {"in_file": len(self._file.entries or ()), "file_fault": self._file.fault}

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
        self._file.look()
        entries = self._file.entries
        if entries is None and self._database.is_sqlite and self._file.fault is None:
            entries = ()
        if entries is None or entries == self._recorded:
            return
        changed = await self._database.write(partial(_record, entries=entries))
        self._recorded = entries
        for name in changed:
            self._definitions.forget(name)
        self._wake()


def _record(connection: Connection, entries: Sequence[Schedule]) -> list[str]:
    """Make the record's schedules of the file those of `entries`; returns the changed names."""
    names = {schedule.name for schedule in entries}
    of_file = {stored.name: stored for stored in store.of_origin(connection, FILE)}
    gone = sorted(of_file.keys() - names)
    if gone:
        store.remove(connection, gone)
    changed = list(gone)
    for schedule in entries:
        new = definition(schedule, owner=schedule.owner or FILE_OWNER, origin=FILE)
        old = of_file.get(schedule.name)
        if old is not None and (old.body, old.owner, old.enabled) == (
            new.body,
            new.owner,
            new.enabled,
        ):
            continue
        changed.append(schedule.name)
        if old is None and store.create(connection, new):
            continue
        if old is None:
            old = store.get(connection, schedule.name)
            log.warning("schedules.file_replaced_one_of_the_api", schedule=schedule.name)
        keep_next = old is not None and keeps_next(schedule, old)
        store.replace(connection, new, keep_next=keep_next)
    return changed
