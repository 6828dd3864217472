"""Tracks whether the database is available; logs each change, not each request."""

import threading
import time
from enum import Enum

import structlog

log = structlog.get_logger()


class Cause(Enum):
    """Why the database is unavailable; each cause has its own event that clears it."""

    CONNECTION = "connection"
    """The database does not respond. Cleared by a probe, which `Database` repeats."""
    FILE = "file"
    """The SQLite file was removed or replaced. Cleared by a probe, too."""
    OUTCOME = "outcome"
    """The reply to a commit was lost. Cleared when the writer finds the outcome."""
    WRITES = "writes"
    """A commit failed. Cleared by the next successful commit, at the latest an empty one."""


REFUSING = frozenset({Cause.CONNECTION, Cause.FILE, Cause.OUTCOME})
"""These causes refuse requests at once, because each request would wait in vain."""
PROBED = frozenset({Cause.CONNECTION, Cause.FILE})


class Availability:
    """The current causes why the database is unavailable. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: dict[Cause, str] = {}
        self._since = 0.0
        self.outages = 0
        """Number of outages that have begun."""

    @property
    def reason(self) -> str | None:
        """Why the database is unavailable; None while it is available."""
        return next(iter(list(self._reasons.values())), None)

    @property
    def refusing(self) -> str | None:
        """Why requests are refused at once; None if they are tried."""
        reasons = list(self._reasons.items())
        return next((reason for cause, reason in reasons if cause in REFUSING), None)

    def has(self, *causes: Cause) -> bool:
        """Whether one of these causes is present."""
        return any(cause in self._reasons for cause in causes)

    def lost(self, cause: Cause, reason: str) -> None:
        """Add a cause; the first cause begins an outage."""
        with self._lock:
            begins = not self._reasons
            self._reasons.setdefault(cause, reason)
            if begins:
                self._since = time.monotonic()
                self.outages += 1
        if begins:
            log.error("database.unavailable", reason=reason)

    def back(self, cause: Cause) -> None:
        """Clear a cause; without causes, the outage ends."""
        if cause not in self._reasons:
            return
        with self._lock:
            ends = self._reasons.pop(cause, None) is not None and not self._reasons
        if ends:
            away_s = time.monotonic() - self._since
            log.info("database.available", unavailable_s=round(away_s, 3))
