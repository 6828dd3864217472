"""Which worker gets a task. Changes nothing, and computes each answer from the roster.

`balancer/fleet/worker_ranking.py` says which of two workers with a free slot goes first.
"""

from collections.abc import Collection, Iterable

from balancer.fleet.roster import Roster
from balancer.fleet.worker import READY, Worker
from balancer.fleet.worker_group import WorkerGroup
from slotgrid.core.fields import ANYWHERE
from slotgrid.core.priority_queue import TaskClass


class Routing:
    """Queries the roster for a class of tasks.

    A choice looks at the rank of each worker of the group and contract with a free slot.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def can_serve(self, cls: TaskClass) -> bool:
        """Whether a worker has a free slot for a task of that class."""
        members = self._members(cls)
        return members is not None and any(self._with_room(members, cls))

    def first(self, cls: TaskClass) -> Worker | None:
        """The worker for the next task of that class; None if no worker has a free slot."""
        members = self._members(cls)
        if members is None:
            return None
        free = members.free(cls.pool)
        return min(self._with_room(members, cls), key=free.__getitem__, default=None)

    def size(self, cls: TaskClass) -> int:
        """How many slots of ready workers can run tasks of that class."""
        members = self._members(cls)
        workers = () if members is None else self._fitting(members.workers.values(), cls)
        ready = (worker for worker in workers if worker.state is READY)
        if (slot := cls.slot) is not None:
            return sum(worker.has_slot(cls.pool, slot) for worker in ready)
        return sum(worker.pools.get(cls.pool, 0) for worker in ready)

    def closed_by(self, cls: TaskClass) -> str | None:
        """Why no slot can run that class, in words; None if slots exist but all are busy."""
        if self.size(cls):
            return None
        members = self._members(cls)
        who = f'group "{cls.group}", contract {cls.contract}'
        if members is None:
            return f"there is no worker of {who}"
        if not members.states[READY]:
            return f"no worker of {who} is ready: {members.state_summary}"
        if services := self._services(cls):
            return f"no ready worker of {who} has the services {', '.join(services)} up"
        return f"no ready worker of {who} matches the task's place"

    def _members(self, cls: TaskClass) -> WorkerGroup | None:
        return self._roster.members(cls.group, cls.contract)

    def _with_room(self, members: WorkerGroup, cls: TaskClass) -> Iterable[Worker]:
        """Those workers with a free slot for the class."""
        free = members.free(cls.pool)
        if cls.place is ANYWHERE and cls.gate is None:  # most classes
            return free
        workers = self._fitting(free, cls)
        if (slot := cls.slot) is None:
            return workers
        return (worker for worker in workers if worker.slot_is_free(cls.pool, slot))

    def _fitting(self, workers: Collection[Worker], cls: TaskClass) -> Iterable[Worker]:
        """Those of the workers that fit the class's place, and have its services up."""
        if cls.place is ANYWHERE and cls.gate is None:
            return workers
        name, labels, services = cls.place.worker, cls.place.labels, self._services(cls)
        if name is not None:
            named = self._roster.worker(name)
            workers = (named,) if named is not None and named in workers else ()
        return (worker for worker in workers if worker.meets(labels, services))

    def _services(self, cls: TaskClass) -> tuple[str, ...]:
        if cls.gate is None:
            return ()
        spec = self._roster.find(cls.gate, cls.group, cls.contract)
        return () if spec is None else spec.requires
