"""Counts and durations of ended tasks, for use by one thread only.

The library's counters are thread-safe and take a lock for each value, five for each ended task.
These are for the event loop, and become metrics of the library only when they are read.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

WAIT_BUCKETS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
RUN_BUCKETS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Durations:
    """A histogram in seconds: a value counts at the smallest of `bounds_s` that is not below it."""

    __slots__ = ("_bounds_s", "_counts", "_sum_s")

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self._sum_s += seconds

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str] = ()) -> None:
        """Add the counts to a family of Prometheus, whose buckets are cumulative."""
        bounds = [str(float(bound)) for bound in self._bounds_s]
        up_to = accumulate(self._counts)
        family.add_metric(labels, list(zip([*bounds, "+Inf"], up_to, strict=True)), self._sum_s)


class _Tally:
    """The count and the run times of one key."""

    __slots__ = ("number", "run")

    def __init__(self, run: Durations) -> None:
        self.number = 0
        self.run = run


class TaskTallies(Collector):
    """Counts, waits and run times of ended tasks."""

    def __init__(self) -> None:
        self._wait = Durations(WAIT_BUCKETS_S)
        #: (function, outcome) -> times in a slot
        self._run: dict[tuple[str, str], Durations] = {}
        #: (function, mode, outcome) -> their number, and the run times of that function and outcome
        self._tasks: dict[tuple[str, str, str], _Tally] = {}

    def count(
        self, function: str, mode: str, outcome: str, wait_s: float | None, run_s: float | None
    ) -> None:
        """Count one task; None for a phase that never began."""
        tally = self._tasks.get((function, mode, outcome))
        if tally is None:
            run = self._run.setdefault((function, outcome), Durations(RUN_BUCKETS_S))
            tally = self._tasks[function, mode, outcome] = _Tally(run)
        tally.number += 1
        if wait_s is not None:
            self._wait.observe(wait_s)
        if run_s is not None:
            tally.run.observe(run_s)

    def collect(self) -> Iterator[Metric]:
        """All counts, as metrics of the library."""
        wait = HistogramMetricFamily("slotgrid_wait_seconds", "Time from acceptance to a slot.")
        self._wait.add_to(wait)
        yield wait
        run = HistogramMetricFamily(
            "slotgrid_run_seconds", "Time in a slot.", labels=["function", "outcome"]
        )
        for labels, durations in self._run.items():
            durations.add_to(run, labels)
        yield run
        tasks = CounterMetricFamily(
            "slotgrid_tasks", "Tasks ended.", labels=["function", "mode", "outcome"]
        )
        for key, tally in self._tasks.items():
            tasks.add_metric(key, tally.number)
        yield tasks
