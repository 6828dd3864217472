"""The known workers, by name and by group and contract, and their common catalog."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from balancer.fleet.worker import Worker
from balancer.fleet.worker_group import WorkerGroup
from balancer.fleet.worker_states import WorkerState
from slotgrid.core.spec import FunctionSpec

DEFAULT_GROUP = "default"
LOST_KEPT_S = 300.0
"""How long a lost worker that dialled in is kept; a listed one is kept while it is listed."""


def _order(spec: FunctionSpec) -> tuple[str, bool, str, int]:
    return (spec.name, spec.group == DEFAULT_GROUP, spec.group, spec.contract)


class Roster:
    """All known workers, lost ones too. Implements core's `Catalog`.

    Only the fleet changes it.
    """

    def __init__(self, *, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._workers: dict[str, Worker] = {}
        self._lost: dict[str, Worker] = {}  # in order of loss
        self._groups: dict[str, dict[int, WorkerGroup]] = {}
        self._version = 0

    # Catalog

    @property
    def version(self) -> int:
        """Grows with every change of what the fleet offers; 0 until the first worker joins."""
        return self._version

    def find(
        self, name: str, group: str | None = None, contract: int | None = None
    ) -> FunctionSpec | None:
        """The function of that name; group None means `default`, contract None the newest ready."""
        members = self.members(group or DEFAULT_GROUP, contract)
        return None if members is None else members.agreement.functions.get(name)

    def specs(self) -> Sequence[FunctionSpec]:
        """The functions of all groups and contracts, by name, then group, then contract.

        The group `default` is last, so the usual choice without group and contract is last.
        """
        found = [
            spec
            for contracts in self._groups.values()
            for members in contracts.values()
            for spec in members.agreement.functions.values()
        ]
        return sorted(found, key=_order)

    def fault_of(self, name: str) -> str:
        """Why the file of that function is not usable at a worker; empty if no worker says so."""
        return next((one.broken[name] for one in self._workers.values() if name in one.broken), "")

    # Queries

    def members(self, group: str, contract: int | None) -> WorkerGroup | None:
        """The workers of that group and contract; None means the newest contract that is ready.

        If none is ready: the newest for which tasks may wait, else the newest.
        """
        contracts = self._groups.get(group, {})
        if contract is not None:
            return contracts.get(contract)
        if len(contracts) == 1:
            return next(iter(contracts.values()))
        newest = [contracts[number] for number in sorted(contracts, reverse=True)]
        for members in newest:
            if members.states[WorkerState.READY]:
                return members
        for members in newest:
            if members.awaited:
                return members
        return newest[0] if newest else None

    def workers_with(self, group: str, name: str) -> Sequence[str]:
        """The names of the workers of the group that offer that function."""
        return [
            worker.name
            for worker in self._workers.values()
            if worker.group == group and any(spec.name == name for spec in worker.functions)
        ]

    def newest_contract(self, group: str) -> int | None:
        """The contract that a task of the group gets if it names none; None without workers."""
        members = self.members(group, None)
        return None if members is None else members.contract

    def groups(self) -> Mapping[str, Sequence[int]]:
        """Each group with its contracts."""
        return {group: sorted(contracts) for group, contracts in sorted(self._groups.items())}

    def worker(self, name: str) -> Worker | None:
        """The record of the worker of that name."""
        return self._workers.get(name)

    def workers(self) -> Iterator[Worker]:
        """Every worker, in order of joining."""
        yield from list(self._workers.values())

    def states(self) -> Counter[WorkerState]:
        """How many workers are in each state."""
        return Counter(worker.state for worker in self._workers.values())

    def has(self, worker: Worker) -> bool:
        """Whether that record is the current one of its name."""
        return self._workers.get(worker.name) is worker

    def members_of(self, worker: Worker) -> WorkerGroup:
        """The workers of its group and contract. The record must be the current one."""
        return self._groups[worker.group][worker.contract]

    # Changes by the fleet

    def add(self, worker: Worker, now: float) -> None:
        """Add a worker that is not known yet."""
        self._forget_long_lost(now)
        self._workers[worker.name] = worker
        contracts = self._groups.setdefault(worker.group, {})
        members = contracts.get(worker.contract)
        if members is None:
            members = WorkerGroup(worker.group, worker.contract, chance=self._chance)
            contracts[worker.contract] = members
        members.add(worker, now)
        self._version += 1

    def update(self, worker: Worker, now: float, *, offers_anew: bool = False) -> None:
        """Update a changed worker."""
        changed = self.members_of(worker).update(worker, now, offers_anew=offers_anew)
        self._version += changed

    def changed(self) -> None:
        """Raise the version: the offer has changed without a change of a worker's state."""
        self._version += 1

    def lose(self, worker: Worker, now: float) -> None:
        """Mark the worker as lost; its record is kept, as it may reconnect."""
        worker.left_at = now
        self._lost[worker.name] = worker
        self.update(worker, now)

    def forget(self, worker: Worker, now: float) -> None:
        """Remove the worker's record."""
        del self._workers[worker.name]
        self._lost.pop(worker.name, None)
        members = self.members_of(worker)
        members.remove(worker, now)
        if not members.workers:
            del self._groups[worker.group][worker.contract]
            if not self._groups[worker.group]:
                del self._groups[worker.group]
        self._version += 1

    def _forget_long_lost(self, now: float) -> None:
        for worker in list(self._lost.values()):
            assert worker.left_at is not None
            if now - worker.left_at <= LOST_KEPT_S:
                return
            if worker.address is None:
                self.forget(worker, now)
