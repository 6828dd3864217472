"""Deadlines on the monotonic clock, and times in ISO 8601."""

import time
from datetime import UTC, datetime

import msgspec


class Deadline(msgspec.Struct, frozen=True):
    """A moment on the monotonic clock, fixed when the wait begins."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The moment `seconds` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining_s(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - time.monotonic())


def iso(at: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC, to the millisecond; None stays None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(moment: str) -> float:
    """Seconds since the epoch of a text from `iso`."""
    return datetime.fromisoformat(moment).timestamp()
