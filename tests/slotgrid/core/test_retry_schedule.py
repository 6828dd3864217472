from dataclasses import replace
from itertools import count, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotgrid.core.retry_schedule import RetrySchedule

chances = st.floats(0, 1, exclude_max=True)


def longest(schedule: RetrySchedule) -> list[float]:
    """Every wait of a schedule without jitter."""
    waits = (schedule.delay_s(failures) for failures in count(1))
    return [wait for wait in takewhile(lambda wait: wait is not None, waits) if wait is not None]


def test_the_waits_are_those_of_the_table() -> None:
    waits = longest(RetrySchedule(chance=lambda: 0.0))
    assert waits == [5, 20, 80, 320, 1280, 5120, 20_480, 21_600]
    assert round(sum(waits) / 3600, 1) == 13.6


@st.composite
def schedules(draw: st.DrawFn) -> RetrySchedule:
    base_s = draw(st.floats(0.01, 100))
    return RetrySchedule(
        retries=draw(st.integers(0, 50)),
        base_s=base_s,
        factor=draw(st.floats(1, 1e6)),
        ceiling_s=base_s * draw(st.floats(1, 1e6)),
    )


@given(schedules(), st.integers(1, 60), chances)
def test_a_wait_lies_between_half_and_all_of_what_the_schedule_says(
    schedule: RetrySchedule, failures: int, chance: float
) -> None:
    full = replace(schedule, chance=lambda: 0.0).delay_s(failures)
    wait = replace(schedule, chance=lambda: chance).delay_s(failures)
    if failures > schedule.retries:
        assert wait is None
        assert full is None
    else:
        assert wait is not None
        assert full is not None
        assert schedule.base_s <= full <= schedule.ceiling_s
        assert full / 2 <= wait <= full


@given(st.integers(1, 7), chances)
def test_waits_never_get_shorter_for_the_same_luck(failures: int, chance: float) -> None:
    schedule = RetrySchedule(chance=lambda: chance)
    earlier, later = schedule.delay_s(failures), schedule.delay_s(failures + 1)
    assert earlier is not None
    assert later is not None
    assert earlier < later


def test_what_the_receiver_asks_for_is_kept_to_up_to_the_ceiling() -> None:
    schedule = RetrySchedule(chance=lambda: 0.0)
    assert schedule.delay_s(1, asked_s=120) == 120
    assert schedule.delay_s(1, asked_s=1) == 5
    assert schedule.delay_s(1, asked_s=10**9) == 21_600
    assert schedule.delay_s(9, asked_s=1) is None


def test_chance_differs_by_default() -> None:
    schedule = RetrySchedule()
    assert len({schedule.delay_s(8) for _ in range(20)}) > 1


@pytest.mark.parametrize(
    "parts", [{"retries": -1}, {"base_s": 0}, {"factor": 0.5}, {"base_s": 10, "ceiling_s": 9}]
)
def test_a_schedule_that_would_not_wait_or_end_is_refused(parts: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected retries >= 0"):
        RetrySchedule(**parts)  # type: ignore[arg-type]  # each value is right for its name
