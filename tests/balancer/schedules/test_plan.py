"""What a late firing does."""

import pytest

from balancer.schedules.cron import Cron, zone_named
from balancer.schedules.plan import CATCH_UP_S, LATE_MOST_S, plan
from balancer.schedules.schedule import Missed

UTC = zone_named("UTC")
MINUTELY = Cron.parse("* * * * *", UTC)
SECONDLY = Cron.parse("* * * * * *", UTC)
NOON = 1_800_000_000.0 // 60 * 60


def test_a_firing_in_time_starts_and_the_next_one_follows() -> None:
    planned = plan(MINUTELY, Missed.SKIP, NOON, NOON + 0.2)
    assert (planned.starts, planned.due_at, planned.next_at) == (True, NOON, NOON + 60)
    assert planned.reason is None


def test_a_node_that_slept_through_ten_firings_starts_none_of_them() -> None:
    now = NOON + 9 * 60 + 59  # the tenth was due 59 s ago: it is late
    planned = plan(MINUTELY, Missed.SKIP, NOON, now)
    assert (planned.starts, planned.next_at) == (False, NOON + 9 * 60)
    assert "9 firings" in str(planned.reason)
    last = plan(MINUTELY, Missed.SKIP, NOON + 9 * 60, now)
    assert (last.starts, last.next_at) == (True, NOON + 10 * 60)


def test_a_daily_firing_that_is_hours_late_is_missed() -> None:
    daily = Cron.parse("0 3 * * *", UTC)
    due_at = daily.next_after(NOON)
    assert due_at is not None
    planned = plan(daily, Missed.SKIP, due_at, due_at + LATE_MOST_S + 1)
    assert (planned.starts, planned.next_at) == (False, due_at + 86400)
    assert "1 firing " in str(planned.reason)
    assert plan(daily, Missed.SKIP, due_at, due_at + LATE_MOST_S - 1).starts


def test_missed_firings_run_once_for_all() -> None:
    planned = plan(MINUTELY, Missed.RUN_ONCE, NOON, NOON + 9 * 60 + 30)
    assert (planned.starts, planned.due_at) == (True, NOON + 9 * 60)
    assert planned.next_at == NOON + 10 * 60
    assert "10 firings" in str(planned.reason)


def test_a_short_pause_delays_firings_of_each_second_and_drops_none() -> None:
    at: float | None = NOON
    now, started = NOON + CATCH_UP_S, []
    while at is not None and at <= now:
        planned = plan(SECONDLY, Missed.SKIP, at, now)
        assert planned.starts
        started.append(planned.due_at)
        at = planned.next_at
    assert started == [NOON + n for n in range(6)]


@pytest.mark.parametrize("missed", list(Missed))
def test_a_week_of_missed_seconds_is_counted_within_bounds(missed: Missed) -> None:
    now = NOON + 7 * 86400 + 0.5
    planned = plan(SECONDLY, missed, NOON, now)
    assert "more than 1000 firings" in str(planned.reason)
    if missed is Missed.RUN_ONCE:
        assert planned.due_at == NOON + 7 * 86400
    else:
        assert planned.next_at == NOON + 7 * 86400
