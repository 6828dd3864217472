"""The states of a worker at this balancer."""

from enum import StrEnum


class WorkerState(StrEnum):
    """The state of a worker at this balancer; only a `ready` worker gets tasks.

    It includes the states that a worker reports, under the same names.
    """

    STARTING = "starting"
    READY = "ready"
    MAINTENANCE = "maintenance"
    EJECTED = "ejected"
    """It failed repeatedly, and gets no tasks for a while."""
    MISMATCH = "mismatch"
    """Its functions differ from those of its peers in group and contract."""
    DRAINING = "draining"
    LOST = "lost"
    """The link is down."""
    REMOVED = "removed"
    """No longer listed: it finishes the tasks that it has."""

    @property
    def waited_for(self) -> bool:
        """Whether tasks may wait for it: it is connected, and ready now or later."""
        return self in _WAITED_FOR


_WAITED_FOR = frozenset(
    {WorkerState.STARTING, WorkerState.READY, WorkerState.MAINTENANCE, WorkerState.EJECTED}
)
