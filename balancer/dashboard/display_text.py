"""Texts of the pages: numbers, times, and a worker's faults."""

from balancer.fleet.worker import Worker
from balancer.fleet.worker_states import WorkerState

NOTHING = "\N{EN DASH}"
"""Shown in place of a missing value."""


def number(value: int) -> str:
    """A count, with a separator of thousands."""
    return f"{value:,}"


def percent(value: float | None) -> str:
    """A percentage, without decimals."""
    return NOTHING if value is None else f"{value:.0f} %"


def seconds(value: float | None) -> str:
    """A wait: milliseconds below a second, and no more digits than a person needs."""
    if value is None:
        return NOTHING
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def age(value: float | None) -> str:
    """An age, in its largest unit."""
    if value is None:
        return NOTHING
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if value >= length_s:
            return f"{value // length_s:.0f} {unit}"
    return f"{value:.0f} s"


_STATES = {
    WorkerState.EJECTED: "The worker failed repeatedly. It is ejected for a while, then probed.",
    WorkerState.LOST: "The link is down.",
    WorkerState.MAINTENANCE: "The worker is in maintenance: it accepts no new tasks.",
    WorkerState.DRAINING: "The worker finishes its tasks, then exits.",
    WorkerState.REMOVED: "The worker is no longer listed. It finishes its tasks.",
}


_MEANT = (WorkerState.DRAINING, WorkerState.REMOVED, WorkerState.MAINTENANCE)
"""States that an operator has requested, the most urgent first."""


def urgency(worker: Worker) -> int:
    """Sort key of the workers that need attention: broken ones first."""
    if worker.state is WorkerState.LOST:
        return 0
    return 2 + _MEANT.index(worker.state) if worker.state in _MEANT else 1


def badge_text(worker: Worker) -> str:
    """Text of its badge: a ready worker that is held or lacks a service is not shown as ready."""
    if worker.state is WorkerState.READY and worker.report.held is not None:
        return "held"
    if worker.state is WorkerState.READY and worker.down:
        return "service down"
    return worker.state


def attention_to(worker: Worker) -> str | None:
    """Why the worker needs attention; None if it does not.

    The text contains no countdown, so that the page does not change it each second.
    """
    if worker.state is WorkerState.MISMATCH:
        return f"The worker's functions differ from those of its contract: it {worker.objection}."
    if worker.state in _STATES:
        return _STATES[worker.state]
    if worker.report.held is not None:
        return f"The worker gives out no slot: {worker.report.held}."
    if worker.down:
        return f"Services are down: {', '.join(sorted(worker.down))}."
    return None
