import pytest
from prometheus_client.parser import text_string_to_metric_families

from slotgrid.runtime.metrics import MAX_FUNCTIONS, GaugeReadings, Metrics

IDLE = GaugeReadings(
    slots={("default", "free"): 3, ("default", "busy"): 1},
    queue_length={"default": 2},
    browsers=1,
    browser_restarts={"browser-died": 2},
    memory_bytes=4096,
    loop_lag_s=0.25,
    slot_mismatch=0,
    detached_functions=0,
)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: IDLE)


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, tuple(sorted(labels.items()))]


def test_the_names_are_those_of_the_contract(metrics: Metrics) -> None:
    metrics.task_finished(function="hello", mode="sync", outcome="completed", wait_s=0, run_s=1)
    metrics.refused("queue-full")
    metrics.loop_stalled("hello")
    found = {
        (name, tuple(label for label, _ in labels if label != "le"))
        for name, labels in samples(metrics)
        if name.startswith("slotgrid_")
    }
    assert found == {
        ("slotgrid_slots", ("pool", "state")),
        ("slotgrid_queue_length", ("group",)),
        ("slotgrid_wait_seconds_bucket", ()),
        ("slotgrid_wait_seconds_count", ()),
        ("slotgrid_wait_seconds_sum", ()),
        ("slotgrid_run_seconds_bucket", ("function", "outcome")),
        ("slotgrid_run_seconds_count", ("function", "outcome")),
        ("slotgrid_run_seconds_sum", ("function", "outcome")),
        ("slotgrid_tasks_total", ("function", "mode", "outcome")),
        ("slotgrid_refused_total", ("reason",)),
        ("slotgrid_browsers", ()),
        ("slotgrid_browser_restarts_total", ("reason",)),
        ("slotgrid_memory_bytes", ()),
        ("slotgrid_loop_lag_seconds", ()),
        ("slotgrid_loop_stalls_total", ("function",)),
        ("slotgrid_slot_mismatch", ()),
        ("slotgrid_detached_functions", ()),
    }


def test_a_task_that_ended_is_counted_once_with_its_times(metrics: Metrics) -> None:
    for _ in range(2):
        metrics.task_finished(
            function="hello", mode="stream", outcome="completed", wait_s=0.5, run_s=2
        )
    assert (
        value(metrics, "slotgrid_tasks_total", function="hello", mode="stream", outcome="completed")
        == 2
    )
    assert value(metrics, "slotgrid_wait_seconds_sum") == 1
    assert value(metrics, "slotgrid_run_seconds_sum", function="hello", outcome="completed") == 4


def test_a_task_that_never_ran_has_no_run_time(metrics: Metrics) -> None:
    metrics.task_finished(function="hello", mode="sync", outcome="cancelled", wait_s=1)
    assert value(metrics, "slotgrid_wait_seconds_count") == 1
    assert value(metrics, "slotgrid_run_seconds_count", function="hello", outcome="cancelled") == 0


def test_a_bucket_holds_its_bound_and_all_that_is_smaller(metrics: Metrics) -> None:
    for wait_s in (0.0005, 0.005, 0.0051, 61):
        metrics.task_finished(function="hello", mode="sync", outcome="completed", wait_s=wait_s)
    held = [
        value(metrics, "slotgrid_wait_seconds_bucket", le=le)
        for le in ("0.001", "0.005", "0.01", "60.0", "+Inf")
    ]
    assert held == [1, 2, 3, 3, 4]


def test_gauges_are_read_when_somebody_asks() -> None:
    readings = iter([IDLE, GaugeReadings(**{**vars(IDLE), "slots": {("default", "free"): 4}})])
    metrics = Metrics(lambda: next(readings))
    assert value(metrics, "slotgrid_slots", pool="default", state="free") == 3
    assert value(metrics, "slotgrid_slots", pool="default", state="free") == 4


def test_two_apps_count_apart() -> None:
    one, other = Metrics(lambda: IDLE), Metrics(lambda: IDLE)
    one.refused("draining")
    assert ("slotgrid_refused_total", (("reason", "draining"),)) in samples(one)
    assert ("slotgrid_refused_total", (("reason", "draining"),)) not in samples(other)


def test_new_names_do_not_grow_the_metrics_for_ever(metrics: Metrics) -> None:
    for number in range(MAX_FUNCTIONS + 5):
        metrics.task_finished(function=f"f{number}", mode="sync", outcome="completed")
    assert (
        value(metrics, "slotgrid_tasks_total", function="other", mode="sync", outcome="completed")
        == 5
    )


def test_a_stall_without_a_function_has_a_label_of_its_own(metrics: Metrics) -> None:
    metrics.loop_stalled(None)
    assert value(metrics, "slotgrid_loop_stalls_total", function="none") == 1


def test_replaced_browsers_are_counted_by_reason(metrics: Metrics) -> None:
    assert value(metrics, "slotgrid_browser_restarts_total", reason="browser-died") == 2
