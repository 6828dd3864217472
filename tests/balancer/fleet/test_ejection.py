from hypothesis import given
from hypothesis import strategies as st

from balancer.fleet.ejection import BACKOFF, BURST_S, FAILURES, Ejection


def fail_until_out(ejection: Ejection, now: float) -> float:
    """The moment at which it is out."""
    while not ejection.failed(now):
        now += BURST_S
    return now


def test_failures_in_a_row_eject_and_one_success_in_between_does_not() -> None:
    ejection = Ejection()
    assert not ejection.failed(0)
    assert not ejection.failed(2)
    ejection.succeeded(3)
    assert not ejection.failed(4)
    assert not ejection.failed(6)
    assert ejection.failed(8)
    assert ejection.out(8)
    assert ejection.remaining_s(8) == BACKOFF.first_s


def test_failures_of_one_moment_are_one_failure() -> None:
    ejection = Ejection()
    assert not any(ejection.failed(now / 100) for now in range(20))
    assert not ejection.failed(1.5)
    assert ejection.failed(3)


def test_after_its_time_one_task_decides() -> None:
    ejection = Ejection()
    out = fail_until_out(ejection, 0)
    again = out + BACKOFF.first_s
    assert not ejection.half_open(again - 0.1)
    assert ejection.half_open(again)
    assert not ejection.out(again)
    assert ejection.failed(again + BURST_S)  # no three are needed now
    assert ejection.remaining_s(again + BURST_S) == 2 * BACKOFF.first_s
    later = again + BURST_S + 2 * BACKOFF.first_s
    ejection.succeeded(later)
    assert not ejection.half_open(later)
    assert ejection.times == 0
    assert not ejection.failed(later + BURST_S)


def test_a_task_that_began_before_the_ejection_proves_nothing() -> None:
    ejection = Ejection()
    out = fail_until_out(ejection, 0)
    ejection.succeeded(out + 1)
    assert ejection.out(out + 1)


def test_where_too_many_are_out_a_failure_is_only_counted() -> None:
    ejection = Ejection()
    for now in range(0, 2 * FAILURES, 2):
        assert not ejection.failed(now, may_eject=False)
    assert not ejection.out(2 * FAILURES)
    assert ejection.failed(2 * FAILURES)


@given(st.integers(0, 60))
def test_the_time_out_doubles_up_to_a_bound(times: int) -> None:
    ejection, now = Ejection(), 0.0
    lengths = []
    for _ in range(times):
        now = fail_until_out(ejection, now)
        lengths.append(ejection.remaining_s(now))
        now += lengths[-1] + BURST_S
    assert lengths == [min(300.0, 5.0 * 2**n) for n in range(times)]
