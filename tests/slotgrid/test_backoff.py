from hypothesis import given
from hypothesis import strategies as st

from slotgrid.backoff import Backoff


@st.composite
def backoffs(draw: st.DrawFn) -> Backoff:
    first_s = draw(st.floats(0.01, 100))
    ceiling_s = first_s * draw(st.floats(1, 1e6))
    return Backoff(first_s, ceiling_s, factor=draw(st.floats(2, 1e6)))


@given(backoffs(), st.integers(1, 10_000))
def test_a_pause_grows_by_the_factor_up_to_the_ceiling(backoff: Backoff, failures: int) -> None:
    assert backoff.full_s(1) == backoff.first_s
    longer_s = min(backoff.ceiling_s, backoff.full_s(failures) * backoff.factor)
    assert abs(backoff.full_s(failures + 1) - longer_s) <= longer_s * 1e-9


@given(backoffs(), st.integers(1, 10_000))
def test_jitter_takes_off_up_to_half(backoff: Backoff, failures: int) -> None:
    full_s = backoff.full_s(failures)
    assert full_s / 2 <= backoff.pause_s(failures) <= full_s


def test_two_pauses_of_clients_that_failed_together_differ() -> None:
    assert len({Backoff(1, 60).pause_s(3) for _ in range(20)}) > 1
