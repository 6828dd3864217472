"""The schedules of one balancer: wires their parts."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from balancer.schedules.file_schedules import FileSchedules
from balancer.schedules.firing import OwnerExists, ScheduleFirings
from balancer.schedules.schedules import Schedules
from balancer.schedules.schedules_file import SchedulesFile
from balancer.schedules.views import ScheduleViews
from slotgrid.core.admission import Admission
from slotgrid.core.node_state import NodeStatus
from slotgrid.core.spec import Catalog
from slotgrid.durable.durability import Durability
from slotgrid.records.store.due import DueKind


class Scheduling:
    """Fires schedules as due work of `durability`, from the moment that it runs."""

    def __init__(
        self,
        file: Path,
        durability: Durability,
        admission: Admission,
        status: NodeStatus,
        catalog: Catalog,
        *,
        owner_exists: OwnerExists,
        count_refusal: Callable[[str], None],
    ) -> None:
        database = durability.database
        firings = ScheduleFirings(
            database,
            durability.tasks,
            admission,
            status,
            owner_exists=owner_exists,
            count_refusal=count_refusal,
        )
        durability.due_handlers[DueKind.SCHEDULE] = firings
        self.schedules = Schedules(
            database,
            admission,
            firings,
            ScheduleViews(catalog, owner_exists),
            wake=durability.wake_due,
        )
        self._file = FileSchedules(
            SchedulesFile(file), database, firings.definitions, wake=durability.wake_due
        )

    def health(self) -> Mapping[str, Any]:
        """The part of `/health` about `schedules.yaml`."""
        return self._file.health()

    def running(self) -> AbstractAsyncContextManager[None]:
        """Follow `schedules.yaml` during the block, inside of `durability.running`."""
        return self._file.watching()
