"""The optimum of any balancer: one queue, in order of arrival, in front of all slots."""

import heapq
import math
from collections.abc import Sequence

from bench.simulation.jobs import MEAN_S, Job


def erlang_c_wait_s(*, slots: int, load: float) -> float:
    """Mean wait of the M/M/c queue with service times of mean `MEAN_S` (Erlang's C formula)."""
    offered = load * slots
    # Each term is computed from the previous one, as a float cannot hold 32! exactly.
    term, below = 1.0, 1.0
    for number in range(1, slots):
        term *= offered / number
        below += term
    full = term * offered / slots / (1 - load)
    return full / (below + full) * MEAN_S / (slots * (1 - load))


def central_queue(jobs: Sequence[Job], *, slots: int, idle_s: float = 0.0) -> list[float]:
    """The wait of each job; a slot is idle for `idle_s` after each job."""
    free_at = [-math.inf] * slots
    waits = []
    for job in jobs:
        starts = max(job.at, free_at[0])
        heapq.heapreplace(free_at, starts + job.service_s + idle_s)
        waits.append(starts - job.at)
    return waits
