"""How long a crawl waits: between pages, and for a host that limits it."""

from datetime import UTC, datetime

import pytest

from functions._pace import BACKOFF_S, EASES_AFTER, SLOWER_S, Pace, seconds_until

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Mon, 30 Nov 2026 12:01:00 GMT", 60),
        ("Monday, 30-Nov-26 12:01:00 GMT", 60),
        ("Mon Nov 30 12:01:00 2026", 60),
        ("Mon, 30 Nov 2026 11:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_until(header, now=NOW) == seconds


def test_the_longest_of_all_pauses_counts() -> None:
    pace = Pace(0.1)
    assert (pace.pause_s(0), pace.pause_s(3)) == (0.1, 3)
    pace.limited("7")
    assert (pace.wait_s, pace.pause_s(3)) == (7, 7)
    pace.answered()
    assert (pace.wait_s, pace.pause_s(3), pace.pause_s(0)) == (0, 3, SLOWER_S[0])


def test_without_retry_after_each_wait_doubles_up_to_a_bound() -> None:
    pace = Pace(0)
    waits = []
    for _ in range(8):
        pace.limited(None)
        waits.append(pace.wait_s)
    assert waits == [1, 2, 4, 8, 16, 32, BACKOFF_S[1], BACKOFF_S[1]]
    pace.answered()
    pace.limited(None)
    assert pace.wait_s == BACKOFF_S[0]


def test_a_host_that_limited_the_crawl_is_asked_more_slowly_for_a_while() -> None:
    pace = Pace(0)
    for _ in range(20):
        pace.limited("0")
    assert pace.pause_s(0) == SLOWER_S[1]
    for _ in range(10 * EASES_AFTER):
        pace.answered()
    assert pace.pause_s(0) == 0
