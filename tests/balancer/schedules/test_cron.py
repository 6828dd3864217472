"""The times of cron expressions: where clocks change, and where nothing ever fires."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.schedules.cron import Cron, CronFault, zone_named

BERLIN = zone_named("Europe/Berlin")


def runs(cron: str, start: str, count: int, zone: str = "Europe/Berlin") -> list[str]:
    """The firings after a local time, as local times with their offsets."""
    there = zone_named(zone)
    after = datetime.fromisoformat(start).replace(tzinfo=there).timestamp()
    times = Cron.parse(cron, there).next_runs(after, count)
    return [datetime.fromtimestamp(at, there).isoformat() for at in times]


@pytest.mark.parametrize("cron", ["30 2 * * *", "0 30 2 * * *", "*/20 2 * * *"])
def test_a_skipped_local_time_fires_once_at_the_first_valid_instant(cron: str) -> None:
    first, second = runs(cron, "2026-03-28T12:00", 2)
    assert first == "2026-03-29T03:00:00+02:00"
    assert second.startswith("2026-03-30T02:")


@pytest.mark.parametrize("cron", ["30 2 * * *", "0 30 2 * * *"])
def test_a_repeated_local_time_fires_once(cron: str) -> None:
    assert runs(cron, "2026-10-24T12:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_a_start_within_the_second_pass_does_not_fire_the_first_again() -> None:
    # 02:40 in winter time: 02:50 in summer time is over.
    after = datetime(2026, 10, 25, 1, 40, tzinfo=UTC).timestamp()
    (at,) = Cron.parse("50 2 * * *", BERLIN).next_runs(after, 1)
    assert datetime.fromtimestamp(at, BERLIN).isoformat() == "2026-10-26T02:50:00+01:00"


def test_an_expression_of_every_hour_leaves_no_gap() -> None:
    assert runs("*/30 * * * *", "2026-10-25T01:40", 5) == [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]
    assert runs("*/30 * * * *", "2026-03-29T01:40", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T03:30:00+02:00",
    ]


def test_gaps_of_half_an_hour_and_of_a_day() -> None:
    assert runs("15 2 * * *", "2026-10-03T12:00", 1, "Australia/Lord_Howe") == [
        "2026-10-04T02:30:00+11:00"
    ]
    assert runs("0 12 30 12 *", "2011-12-29T12:00", 1, "Pacific/Apia") == [
        "2011-12-31T00:00:00+14:00"
    ]


def test_seconds_come_first() -> None:
    assert runs("*/20 * * * * *", "2026-01-01T00:00:05", 2, "UTC") == [
        "2026-01-01T00:00:20+00:00",
        "2026-01-01T00:00:40+00:00",
    ]


@pytest.mark.parametrize(
    ("cron", "fault"),
    [
        ("0 0 31 2 *", "never fires"),
        ("0 0 31 2,4,6 *", "never fires"),
        ("0 0 0 30 2 *", "day of the month"),
        ("* * * *", "expected five fields"),
        ("@daily", "expected five fields"),
        ("", "expected five fields"),
        ("60 * * * *", "the minute is invalid"),
        ("60 * * * * *", "the second is invalid"),
        ("* 24 * * *", "the hour is invalid"),
        ("* * * 13 *", "the month is invalid"),
        ("* * * * MOO", "the day of the week is invalid"),
        ("*/0 * * * *", "the minute is invalid"),
        ("* " * 3 + "9" * 300 + " *", "at most 200"),
    ],
)
def test_what_cannot_fire_is_refused_with_the_reason(cron: str, fault: str) -> None:
    with pytest.raises(CronFault, match=fault):
        Cron.parse(cron, BERLIN)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../../etc/passwd", "localtime", "CEST"])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(CronFault, match="no time zone"):
        zone_named(name)


def test_the_29th_of_february_waits_for_its_year() -> None:
    assert runs("0 0 29 2 *", "2026-01-01T00:00", 1, "UTC") == ["2028-02-29T00:00:00+00:00"]


@given(
    after=st.floats(1.6e9, 2.0e9),
    cron=st.sampled_from(
        ["30 2 * * *", "*/7 * * * *", "0 */3 * * *", "*/25 1,2,3 * * *", "59 59 * * * *"]
    ),
    zone=st.sampled_from(["Europe/Berlin", "America/Havana", "Asia/Beirut", "UTC"]),
)
def test_firings_are_later_and_later_and_the_same_from_any_start(
    after: float, cron: str, zone: str
) -> None:
    parsed = Cron.parse(cron, zone_named(zone))
    times = parsed.next_runs(after, 8)
    assert after < times[0]
    assert times == sorted(set(times))
    assert all(parsed.next_after(earlier) == later for earlier, later in pairwise(times))
