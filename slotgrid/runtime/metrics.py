"""Prometheus metrics of a node. Their names are part of the contract.

Methods count what happens. Gauges are read at each scrape, so none can drift from its source.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Each function costs a time series per mode, outcome and bucket, and hot reload can add names for
# as long as the process lives.
MAX_FUNCTIONS = 1000
OTHER_FUNCTIONS = "other"
NO_FUNCTION = "none"
WAIT_BUCKETS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
RUN_BUCKETS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


@dataclass(frozen=True, kw_only=True)
class GaugeReadings:
    """The values of all gauges at one moment."""

    #: (pool, state) -> number of slots
    slots: Mapping[tuple[str, str], int]
    #: group -> number of waiting tasks
    queue_length: Mapping[str, int]
    loop_lag_s: float
    #: Difference of running tasks, leased slots and open contexts: 0, or something leaks.
    slot_mismatch: int
    memory_bytes: int = 0
    #: None on a node without browsers of its own
    browsers: int | None = None
    #: reason -> browsers replaced since the start
    browser_restarts: Mapping[str, int] = field(default_factory=dict)
    #: Functions that still run after their task has ended, as they ignored the cancellation.
    detached_functions: int = 0
    #: state -> number of workers that a balancer follows
    workers: Mapping[str, int] = field(default_factory=dict)
    #: Age of the oldest of the workers' last reports; None without workers
    report_age_s: float | None = None


class Metrics:
    """The metrics of one app, in a registry of its own."""

    def __init__(self, read_gauges: Callable[[], GaugeReadings]) -> None:
        # The library's switch is global, but only this registry is served. `_created` would double
        # its counters with names that are not in the contract.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Gauges(read_gauges))
        self._tasks = Counter(
            "slotgrid_tasks",
            "Tasks ended.",
            ["function", "mode", "outcome"],
            registry=registry,
        )
        self._wait = Histogram(
            "slotgrid_wait_seconds",
            "Time from acceptance to a slot.",
            buckets=WAIT_BUCKETS_S,
            registry=registry,
        )
        self._run = Histogram(
            "slotgrid_run_seconds",
            "Time in a slot.",
            ["function", "outcome"],
            buckets=RUN_BUCKETS_S,
            registry=registry,
        )
        self._refused = Counter(
            "slotgrid_refused",
            "Requests refused before they queued.",
            ["reason"],
            registry=registry,
        )
        self._guarded = Counter(
            "slotgrid_guard_refused",
            "Connections of pages that the traffic guard refused.",
            ["rule"],
            registry=registry,
        )
        self._deliveries = Counter(
            "slotgrid_deliveries",
            "Attempts at webhooks, by outcome: delivered, retry or failed.",
            ["outcome"],
            registry=registry,
        )
        self._stalls = Counter(
            "slotgrid_loop_stalls",
            "Times the event loop was blocked, by the function that ran.",
            ["function"],
            registry=registry,
        )
        self._functions: set[str] = set()
        # Kept, as `labels` looks a series up under a lock: half of the cost of counting a task.
        self._series: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def task_finished(
        self,
        *,
        function: str,
        mode: str,
        outcome: str,
        wait_s: float | None = None,
        run_s: float | None = None,
    ) -> None:
        """Count a task that ended; None for a phase that never began.

        `function` must exist; requests for unknown functions count as refused.
        """
        key = (self._function_label(function), mode, outcome)
        if (series := self._series.get(key)) is None:
            # The histogram is exported as 0 until a task of this outcome ran.
            series = self._tasks.labels(*key), self._run.labels(key[0], outcome)
            self._series[key] = series
        tasks, run = series
        tasks.inc()
        if wait_s is not None:
            self._wait.observe(wait_s)
        if run_s is not None:
            run.observe(run_s)

    def refused(self, reason: str) -> None:
        """Count a request that was not accepted; `reason` as in the problem's type."""
        self._refused.labels(reason).inc()

    def guard_refused(self, rule: str) -> None:
        """Count a connection of a page that the traffic guard refused."""
        self._guarded.labels(rule).inc()

    def delivery_attempted(self, outcome: str) -> None:
        """Count an attempt to deliver a webhook; `failed` means that no retry follows."""
        self._deliveries.labels(outcome).inc()

    def loop_stalled(self, function: str | None) -> None:
        """Count a blocked event loop; None if no function ran. Any thread may call this."""
        self._stalls.labels(self._function_label(function or NO_FUNCTION)).inc()

    def render(self) -> bytes:
        """All metrics in Prometheus' text format, whose type is `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def _function_label(self, function: str) -> str:
        if function in self._functions:
            return function
        if len(self._functions) < MAX_FUNCTIONS:
            self._functions.add(function)
            return function
        return OTHER_FUNCTIONS


class _Gauges(Collector):
    def __init__(self, read: Callable[[], GaugeReadings]) -> None:
        self._read = read

    def describe(self) -> list[Metric]:
        """Nothing, so that registration does not read gauges of parts that do not exist yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All gauges, read at one moment."""
        now = self._read()
        slots = GaugeMetricFamily("slotgrid_slots", "Slots.", labels=["pool", "state"])
        for pool_and_state, number in now.slots.items():
            slots.add_metric(pool_and_state, number)
        yield slots
        queue = GaugeMetricFamily("slotgrid_queue_length", "Tasks that wait.", labels=["group"])
        for group, length in now.queue_length.items():
            queue.add_metric([group], length)
        yield queue
        if now.browsers is not None:
            yield GaugeMetricFamily("slotgrid_browsers", "Browsers that run.", now.browsers)
        if now.workers:
            workers = GaugeMetricFamily("slotgrid_workers", "Workers.", labels=["state"])
            for state, number in now.workers.items():
                workers.add_metric([state], number)
            yield workers
        if now.report_age_s is not None:
            yield GaugeMetricFamily(
                "slotgrid_report_age_seconds",
                "Age of the oldest of the workers' last reports.",
                now.report_age_s,
            )
        restarts = CounterMetricFamily(
            "slotgrid_browser_restarts", "Browsers replaced.", labels=["reason"]
        )
        for reason, number in now.browser_restarts.items():
            restarts.add_metric([reason], number)
        yield restarts
        yield GaugeMetricFamily(
            "slotgrid_memory_bytes", "Memory of the whole process tree.", now.memory_bytes
        )
        yield GaugeMetricFamily(
            "slotgrid_loop_lag_seconds", "Worst recent delay of the event loop.", now.loop_lag_s
        )
        yield GaugeMetricFamily(
            "slotgrid_slot_mismatch",
            "Difference between running tasks, leased slots and open contexts; always 0.",
            now.slot_mismatch,
        )
        yield GaugeMetricFamily(
            "slotgrid_detached_functions",
            "Functions that still run after their task ended.",
            now.detached_functions,
        )
