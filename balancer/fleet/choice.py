"""Finds the workers that can run a class of tasks, and the next of them. Changes nothing."""

from collections.abc import Callable

from balancer.fleet.members import Room, meets
from balancer.fleet.roster import Roster
from balancer.fleet.routing import Needs
from balancer.fleet.states import WorkerState
from balancer.fleet.workers import Worker
from slotgrid.core.queue import TaskClass


class Choice:
    """Queries the roster for a class of tasks. `clock` gives monotonic seconds."""

    def __init__(self, roster: Roster, clock: Callable[[], float]) -> None:
        self._roster = roster
        self._clock = clock
        self._rooms: dict[TaskClass, Room] = {}
        """Cache for plain classes, of which there are few; cleared when the roster changes."""
        self._rooms_of = roster.version

    def first(self, cls: TaskClass) -> Worker | None:
        """The worker for the next task of that class; None if no worker has a free slot."""
        if cls.place.worker is not None:
            worker = self._placed(cls)
            return worker if worker is not None and worker.room(cls.pool, self._clock()) else None
        now = self._clock()
        room = self._room(cls, now)
        return None if room is None else room.first(now)

    def size(self, cls: TaskClass) -> int:
        """How many slots of ready workers can run tasks of that class."""
        if cls.place.worker is not None:
            worker = self._placed(cls)
            return 0 if worker is None else worker.pools.get(cls.pool, 0)
        room = self._room(cls, self._clock())
        return 0 if room is None else room.slots

    def closed_by(self, cls: TaskClass) -> str | None:
        """Why no slot can run that class, in words; None if slots exist but all are busy."""
        if self.size(cls):
            return None
        members = self._roster.members(cls.group, cls.contract)
        who = f'group "{cls.group}", contract {cls.contract}'
        if members is None:
            return f"there is no worker of {who}"
        if not members.states[WorkerState.READY]:
            return f"no worker of {who} is ready: {members.standing}"
        services = self._needs(cls).services
        if services:
            return f"no ready worker of {who} has the services {', '.join(services)} up"
        return f"no ready worker of {who} matches the task's place"

    def _room(self, cls: TaskClass, now: float) -> Room | None:
        if self._rooms_of != self._roster.version:
            self._rooms_of = self._roster.version
            self._rooms.clear()
        room = self._rooms.get(cls)
        return self._find_room(cls, now) if room is None else room

    def _find_room(self, cls: TaskClass, now: float) -> Room | None:
        members = self._roster.members(cls.group, cls.contract)
        if members is None:
            return None
        # Callers may name any pool: a pool that no worker has uses the bounded cache only.
        if cls.gate is None and not cls.place.labels and members.have_pool(cls.pool):
            room = self._rooms[cls] = members.plain_room(cls.pool, now)
            return room
        return members.special_room(self._needs(cls), now)

    def _placed(self, cls: TaskClass) -> Worker | None:
        """The worker that the class names, if it is ready and meets the needs."""
        worker = self._roster.worker(cls.place.worker or "")
        if worker is None or (worker.group, worker.contract) != (cls.group, cls.contract):
            return None
        return worker if meets(worker, self._needs(cls)) else None

    def _needs(self, cls: TaskClass) -> Needs:
        services: tuple[str, ...] = ()
        if cls.gate is not None:
            spec = self._roster.find(cls.gate, cls.group, cls.contract)
            services = spec.requires if spec is not None else ()
        return Needs(cls.pool, cls.place.labels, services)
