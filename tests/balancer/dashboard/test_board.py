"""The decisions behind the pages: what changed, what a slot does, who may try a key."""

from balancer.dashboard.board import Board, Piece
from balancer.dashboard.cells import MEANINGS, CellState, cells
from balancer.dashboard.display_text import age, attention_to, badge_text, seconds, urgency
from balancer.dashboard.login_sessions import (
    ATTEMPT_EVERY_S,
    ATTEMPTS,
    SESSION_S,
    Guesses,
    Sessions,
)
from balancer.dashboard.trend import KEPT_S, Trend
from balancer.fleet.worker_states import WorkerState
from slotgrid.core.node_state import NodeState
from slotgrid.core.principal import Principal, Scope
from slotgrid.users.users import Key
from tests.balancer.fleet.fakes import DEFAULT, FakeFleet, counts, report
from tests.slotgrid.core.fakes import PLAIN, ManualClock, function

A, B = Piece("text", "a"), Piece("text", "b")
READER = Principal("reader", frozenset({Scope.READ}))


def test_a_reader_is_told_only_what_changed_since() -> None:
    board = Board()
    board.put({A: "1", B: "1"})
    seen = board.version
    assert board.since(seen) == {}
    board.put({A: "1", B: "2"})
    assert board.since(seen) == {B: "2"}
    board.put({A: "1", B: "3"})
    assert board.since(seen) == {B: "3"}
    assert board.since(board.version) == {}


def test_a_reader_of_an_earlier_process_is_told_everything() -> None:
    earlier, board = Board(), Board()
    earlier.put({A: "1"})
    board.put({A: "1"})
    assert board.since(earlier.version) == {A: "1"}
    assert board.since("") == board.since("nonsense") == board.since("a-b") == {A: "1"}


def test_what_is_gone_is_shown_no_more_and_is_new_when_it_comes_back() -> None:
    board = Board()
    board.put({A: "1", B: "1"})
    board.put({B: "1"})
    seen = board.version
    assert board.shown == {B: "1"}
    board.put({A: "1", B: "1"})
    assert board.since(seen) == {A: "1"}


def test_a_ready_workers_cells_are_running_sent_and_free() -> None:
    fleet = FakeFleet()
    worker = fleet.join("w", free=3)
    assert cells(worker, "default", 0) == {"running": 1, "free": 3}
    slot = fleet.take(DEFAULT)
    assert cells(worker, "default", 0) == {"running": 1, "sent": 1, "free": 2}
    fleet.started(slot, counts(1, 2))
    assert cells(worker, "default", 0) == {"running": 2, "free": 2}
    fleet.reported(worker, report(2, 2, held="memory is short"))
    assert cells(worker, "default", 0) == {"running": 2, "held": 2}


def test_a_worker_that_refused_shows_as_full_until_it_counts_anew() -> None:
    fleet = FakeFleet()
    worker = fleet.join("w")
    slot = fleet.take(DEFAULT)
    fleet.refused(slot, "busy")
    assert cells(worker, "default", 0) == {"running": 4}


def test_a_worker_that_is_not_ready_shows_why_and_what_still_runs() -> None:
    fleet = FakeFleet()
    worker = fleet.join("w", free=3)
    fleet.reported(worker, report(1, 3, status=NodeState.MAINTENANCE))
    assert cells(worker, "default", 0) == {"running": 1, "maintenance": 3}
    assert attention_to(worker) == "The worker is in maintenance: it accepts no new tasks."
    fleet.draining(worker)
    assert cells(worker, "default", 0) == {"running": 1, "draining": 3}
    fleet.disconnected(worker)
    assert cells(worker, "default", 0) == {"lost": 4}


def test_the_odd_one_of_a_contract_says_how_it_differs() -> None:
    fleet = FakeFleet()
    fleet.join("w1")
    fleet.join("w2")
    odd = fleet.join("w3", functions=[PLAIN, function("more")])
    assert cells(odd, "default", 0) == {"mismatch": 4}
    assert attention_to(odd) == (
        "The worker's functions differ from those of its contract: it has besides more."
    )


def test_every_state_of_a_worker_but_ready_is_one_of_a_cell() -> None:
    assert {*map(str, WorkerState)} - {"ready"} <= {*map(str, CellState)}
    assert set(MEANINGS) == set(CellState)


def test_a_session_ends_by_its_time_and_by_logging_out() -> None:
    clock = ManualClock()
    sessions = Sessions(clock=clock)
    key = Key(READER)
    one, two = sessions.open(key), sessions.open(key)
    found = sessions.find(one)
    assert found is not None
    assert found.principal is READER
    assert found.sent(found.token)
    assert not found.sent("")
    assert not found.sent("\udcff")
    sessions.close(two)
    ending = Key(READER)
    three = sessions.open(ending)
    assert sessions.find(three) is not None
    ending.ended.set()
    assert sessions.find(three) is None
    sessions.close(three)
    assert sessions.find(two) is None
    clock.now += SESSION_S
    assert sessions.find(one) is None
    sessions.open(key)
    assert len(sessions) == 1


def test_wrong_keys_are_bounded_by_address() -> None:
    clock = ManualClock()
    guesses = Guesses(clock=clock)
    for _ in range(ATTEMPTS):
        assert guesses.wait_s("here") == 0
        assert guesses.admit("here")
    assert guesses.wait_s("here") == ATTEMPT_EVERY_S
    assert guesses.wait_s("elsewhere") == 0
    clock.now += ATTEMPT_EVERY_S
    assert guesses.wait_s("here") == 0
    assert guesses.admit("here")
    assert guesses.wait_s("here") == ATTEMPT_EVERY_S
    clock.now += ATTEMPTS * ATTEMPT_EVERY_S
    assert guesses.wait_s("here") == 0


def test_the_trend_keeps_a_quarter_of_an_hour_of_seconds() -> None:
    clock = ManualClock()
    trend = Trend(wall_clock=clock)
    trend.count_wait(0.2)
    trend.count_wait(0.4)
    point = trend.close_second(waiting=1, running=2, waits_s=[3.0])
    assert (point.started, point.mean_wait_s, point.longest_wait_s) == (2, 0.3, 3.0)
    point = trend.close_second(waiting=0, running=2, waits_s=[])
    assert (point.started, point.mean_wait_s, point.longest_wait_s) == (0, None, 0)
    for _ in range(KEPT_S):
        clock.now += 1
        trend.close_second(waiting=0, running=0, waits_s=[])
    assert len(trend.points) == KEPT_S
    assert trend.points[-1].at - trend.points[0].at == KEPT_S - 1


def test_times_are_said_in_units_that_can_be_read() -> None:
    assert [seconds(each) for each in (0, 0.0123, 1.26, 250)] == ["0 ms", "12 ms", "1.3 s", "250 s"]
    assert [age(each) for each in (5, 65, 7200, 200_000)] == ["5 s", "1 min", "2 h", "2 d"]


def test_what_broke_comes_before_what_somebody_asked_for() -> None:
    fleet = FakeFleet()
    names = ("off", "drains", "holds", "lacks-a-service", "gone")
    off, drains, holds, lacks, gone = workers = [fleet.join(name) for name in names]
    fleet.reported(off, report(1, 4, status=NodeState.MAINTENANCE))
    fleet.draining(drains)
    fleet.reported(holds, report(1, 4, held="memory is short"))
    fleet.reported(lacks, report(1, 4, services={"proxy": False}))
    fleet.disconnected(gone)
    assert sorted(workers, key=urgency) == [gone, holds, lacks, drains, off]
    said = [badge_text(worker) for worker in workers]
    assert said == ["maintenance", "draining", "held", "service down", "lost"]
