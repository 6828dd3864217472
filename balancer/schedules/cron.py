"""The times of a schedule: a cron expression in a time zone.

Cron names local times, and some of them do not exist or exist twice where clocks change. An
expression that fires every hour runs by elapsed time, without a gap. Any other fires once for each
local time that it names: for a skipped one at the first instant after the gap, for a repeated one
at its first instant.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

CRON_MOST = 200
"""Characters of an expression."""
NEVER = "never fires: no day within 50 years matches it"
EVERY_HOUR = frozenset(range(24))
OF_THE_MACHINE = frozenset({"localtime", "posixrules", "Factory"})
"""Files beside the time zones: what they mean differs between machines."""
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CronFault(ValueError):
    """An expression that is invalid or never fires; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A valid expression of five fields, or six with the seconds first, in an IANA time zone."""

    text: str
    zone: ZoneInfo
    _by_elapsed_time: bool = field(default=False, compare=False)

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo, *, now: datetime | None = None) -> "Cron":
        """Check an expression. Raises CronFault, also if it never fires after `now`."""
        if len(text) > CRON_MOST:
            raise CronFault(f"has {len(text)} characters, at most {CRON_MOST} are possible")
        if len(text.split()) not in {5, 6}:
            raise CronFault(
                'expected five fields such as "30 6 * * MON-FRI" (minute, hour, day of the month, '
                "month, day of the week), or six with the seconds first"
            )
        try:
            hours = CronSim(text, EPOCH).hours
        except CronSimError as fault:
            raise CronFault(_explained(text, str(fault))) from None
        cron = cls(text, zone, hours >= EVERY_HOUR)
        if cron.next_after((now or datetime.now(UTC)).timestamp()) is None:
            raise CronFault(NEVER)
        return cron

    def next_after(self, after: float) -> float | None:
        """The first firing after a time, both in seconds since the epoch; None if none is left."""
        try:
            return next(self.times_after(after), None)
        except OverflowError:  # after the last year of the calendar
            return None

    def next_runs(self, after: float, count: int) -> list[float]:
        """At most `count` firings after a time, in seconds since the epoch."""
        return list(islice(self.times_after(after), count))

    def times_after(self, after: float) -> Iterator[float]:
        """All firings after a time, in seconds since the epoch."""
        local = (EPOCH + timedelta(seconds=after)).astimezone(self.zone)
        if self._by_elapsed_time:
            times = (moment.timestamp() for moment in CronSim(self.text, local))
        else:
            wall = local.replace(tzinfo=None, fold=0)
            times = (_instant(moment, self.zone) for moment in CronSim(self.text, wall))
        last = after
        for time in times:
            # A gap joins its local times, and the first pass of a repeated hour may be over.
            if time > last:
                last = time
                yield time


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """The names of all time zones; reading them costs some milliseconds."""
    return frozenset(available_timezones()) - OF_THE_MACHINE


def zone_named(name: str) -> ZoneInfo:
    """The time zone of that IANA name. Raises CronFault."""
    # `ZoneInfo` opens a file of that name: only known names get there.
    if name not in zones():
        raise CronFault(
            f'there is no time zone "{name[:60]}"; expected an IANA name such as "Europe/Berlin" '
            'or "UTC"'
        )
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as fault:
        raise CronFault(f'the time zone "{name}" cannot be read: {fault}') from fault


def _instant(wall: datetime, zone: ZoneInfo) -> float:
    """The instant of a local time: the first of two, or the first after the gap that skips it."""
    moment = wall.replace(tzinfo=zone)
    if _exists(moment):
        return moment.timestamp()
    moment = moment.replace(second=0)
    while not _exists(moment):  # zones change on whole minutes
        moment += MINUTE
    return moment.timestamp()


def _exists(moment: datetime) -> bool:
    return moment.astimezone(UTC).astimezone(moment.tzinfo).replace(fold=0) == moment.replace(
        fold=0
    )


def _explained(text: str, fault: str) -> str:
    """The fault of the expression; cronsim's own text is such as `Bad day-of-month`."""
    match fault.removeprefix("Bad "):
        case "day-of-month":
            return (
                "the day of the month is invalid, or the expression never fires because no month "
                "that it names has this day"
            )
        case "day-of-week":
            return "the day of the week is invalid; expected 0 to 7 or SUN to SAT"
        case "second" | "minute" | "hour" | "month" as name:
            return f"the {name} is invalid"
    return f'"{text}": {fault}'
