"""The state of each slot of a worker, as far as the balancer can see."""

from collections.abc import Mapping
from enum import StrEnum

from balancer.fleet.worker import Worker
from balancer.fleet.worker_states import WorkerState


class CellState(StrEnum):
    """The state of one slot. The cells of a worker are shown in this order."""

    RUNNING = "running"
    SENT = "sent"
    FREE = "free"
    HELD = "held"
    STARTING = "starting"
    MAINTENANCE = "maintenance"
    DRAINING = "draining"
    REMOVED = "removed"
    EJECTED = "ejected"
    MISMATCH = "mismatch"
    LOST = "lost"


MEANINGS: Mapping[CellState, str] = {
    CellState.RUNNING: "A task runs here",
    CellState.SENT: "A task is in transit; the worker has not answered yet",
    CellState.FREE: "The slot is free for the next task",
    CellState.HELD: "The worker gives out no slot at the moment",
    CellState.STARTING: "The worker is not ready yet",
    CellState.MAINTENANCE: "The worker is switched off",
    CellState.DRAINING: "The worker finishes its tasks, then exits",
    CellState.REMOVED: "The worker is no longer listed",
    CellState.EJECTED: "The worker failed repeatedly and gets no tasks for a while",
    CellState.MISMATCH: "The worker's functions differ from those of its contract",
    CellState.LOST: "The worker's link is down",
}

Cells = Mapping[str, int]
"""Number of cells by state, without zeros, in the order of `CellState`."""


def cells(worker: Worker, pool: str, now: float) -> Cells:
    """The cells of one pool of the worker, one for each slot. `now` is monotonic."""
    size = worker.pools[pool]
    if worker.state is WorkerState.LOST:
        return _counted({CellState.LOST: size})
    running = size - min(size, worker.free.get(pool, 0))
    if worker.state is not WorkerState.READY:
        return _counted({CellState.RUNNING: running, CellState(worker.state): size - running})
    free = worker.room(pool, now)
    rest = size - running - free
    held = worker.report.held is not None or worker.ejection.half_open(now)
    return _counted(
        {
            CellState.RUNNING: running,
            CellState.SENT: 0 if held else rest,
            CellState.FREE: free,
            CellState.HELD: rest if held else 0,
        }
    )


def _counted(found: Mapping[CellState, int]) -> Cells:
    return {str(state): count for state, count in found.items() if count}
