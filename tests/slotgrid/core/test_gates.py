from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from slotgrid.core.gates import Gates
from slotgrid.core.priority_queue import TaskClass
from slotgrid.core.spec import FunctionSpec
from tests.slotgrid.core.fakes import FakeCatalog, ManualClock, function

F = TaskClass("default", 1, "default", gate="f")


def make_gates(catalog: FakeCatalog, clock: ManualClock, down: set[str] | None = None) -> Gates:
    unwell = set() if down is None else down
    return Gates(catalog, lambda service: service not in unwell, clock=clock)


def test_a_service_that_is_down_closes_the_gate_until_it_is_up(clock: ManualClock) -> None:
    down = {"db"}
    gates = make_gates(FakeCatalog(function("f", requires=("cache", "db"))), clock, down)
    assert gates.closed_by(F) == "the service db is down"
    down.clear()
    assert gates.closed_by(F) is None


def test_concurrency_counts_what_runs_and_opens_when_one_leaves(clock: ManualClock) -> None:
    gates = make_gates(FakeCatalog(function("f", concurrency=2)), clock)
    gates.passed(F)
    assert gates.closed_by(F) is None
    gates.passed(F)
    assert gates.closed_by(F) == "the function's concurrency of 2 is used up"
    gates.released(F)
    assert gates.closed_by(F) is None


def test_a_rate_opens_at_the_moment_it_says(clock: ManualClock) -> None:
    gates = make_gates(FakeCatalog(function("f", rate=(2, 60.0))), clock)
    assert gates.opens_in_s(F) is None
    gates.passed(F)
    clock.advance(10)
    assert gates.opens_in_s(F) is None
    gates.passed(F)
    assert gates.closed_by(F) == "the function's rate is used up"
    assert gates.opens_in_s(F) == 50
    clock.advance(49)
    assert gates.closed_by(F) is not None
    clock.advance(1)
    assert gates.closed_by(F) is None
    assert gates.opens_in_s(F) is None


def test_a_function_removed_meanwhile_has_no_gate(clock: ManualClock) -> None:
    catalog = FakeCatalog(function("f", concurrency=1, rate=(1, 60.0)))
    gates = make_gates(catalog, clock)
    gates.passed(F)
    catalog.remove("f")
    assert gates.closed_by(F) is None
    assert gates.opens_in_s(F) is None
    gates.passed(F)
    gates.released(F)
    gates.released(F)


def test_a_function_without_limits_passes_and_is_counted_for_those_it_gets_later(
    clock: ManualClock,
) -> None:
    plain = function("f", requires=("db",))
    catalog = FakeCatalog(plain)
    gates = make_gates(catalog, clock)
    gates.passed(F)
    assert gates.closed_by(F) is None
    assert gates.opens_in_s(F) is None
    catalog.put(replace(plain, concurrency=1))
    assert gates.closed_by(F) == "the function's concurrency of 1 is used up"


@given(
    count=st.integers(1, 4),
    period_s=st.integers(1, 20),
    gaps_s=st.lists(st.integers(0, 8), max_size=60),
)
def test_no_window_ever_holds_more_starts_than_the_rate_allows(
    count: int, period_s: int, gaps_s: list[int]
) -> None:
    clock = ManualClock()
    gates = make_gates(FakeCatalog(function("f", rate=(count, float(period_s)))), clock)
    starts: list[float] = []
    for gap_s in gaps_s:
        clock.advance(gap_s)
        if gates.closed_by(F) is None:
            gates.passed(F)
            starts.append(clock())
        else:  # and it is never closed for longer than it must be
            opens_in_s = gates.opens_in_s(F)
            assert opens_in_s is not None
            assert starts[-count] + period_s == clock() + opens_in_s
    windows = [starts[n : n + count + 1] for n in range(len(starts) - count)]
    assert all(window[-1] - window[0] >= period_s for window in windows)


class TwoContracts(FakeCatalog):
    """One function under two contracts, as a fleet has it while it is updated."""

    def find(
        self, name: str, group: str | None = None, contract: int | None = None
    ) -> FunctionSpec | None:
        spec = super().find(name, group)
        return None if spec is None else replace(spec, contract=contract or 1, rate=RATES[contract])


RATES = {1: (4, 60.0), 2: (2, 60.0), None: None}


def test_the_contracts_of_a_function_share_one_gate(clock: ManualClock) -> None:
    gates = make_gates(TwoContracts(function("f", concurrency=3)), clock)
    newer = F._replace(contract=2)
    gates.passed(F)
    gates.passed(newer)
    assert gates.closed_by(newer) == "the function's rate is used up"
    assert gates.closed_by(F) is None
    gates.passed(F)
    assert gates.closed_by(F) == "the function's concurrency of 3 is used up"
    gates.released(newer)
    assert gates.closed_by(F) is None
    gates.passed(newer)
    gates.released(F)
    assert gates.closed_by(F) == "the function's rate is used up"


def test_groups_have_gates_of_their_own(clock: ManualClock) -> None:
    shop = replace(function("f", concurrency=1), group="shop")
    gates = make_gates(FakeCatalog(shop), clock)
    gates.passed(F._replace(group="shop"))
    assert gates.closed_by(F._replace(group="shop")) is not None
    assert gates.closed_by(F) is None


ANN = TaskClass("default", 1, "default", owner="ann")
BOTH = F._replace(owner="ann")


def test_a_share_counts_all_tasks_of_its_owner(clock: ManualClock) -> None:
    shares: dict[str, int] = {"ann": 2}
    catalog = FakeCatalog(function("f", concurrency=2))
    gates = Gates(catalog, lambda _: True, share_of=shares.get, clock=clock)
    gates.passed(ANN)
    assert gates.closed_by(BOTH) is None
    gates.passed(BOTH)
    for cls in (ANN, BOTH):
        assert gates.closed_by(cls) == "the share of ann, 2 tasks at once, is used up"
    assert gates.closed_by(ANN._replace(owner="bob")) is None
    assert gates.closed_by(F) is None
    shares["ann"] = 3
    assert gates.closed_by(ANN) is None
    shares.clear()
    assert gates.closed_by(ANN) is None
    gates.released(BOTH)
    gates.released(ANN)
    shares["ann"] = 1
    assert gates.closed_by(ANN) is None
    assert gates.opens_in_s(ANN) is None


def test_a_function_may_be_closed_for_an_owner_with_room(clock: ManualClock) -> None:
    catalog = FakeCatalog(function("f", concurrency=1))
    gates = Gates(catalog, lambda _: True, share_of=lambda _: 5, clock=clock)
    gates.passed(F)
    assert gates.closed_by(BOTH) == "the function's concurrency of 1 is used up"


def test_a_class_of_an_owner_competes_for_the_slots_of_all() -> None:
    assert ANN.gated
    assert ANN.share == TaskClass("default", 1, "default")
    assert not ANN.share.gated
