"""Whether the database does its work: one log line for each change, not for each request."""

import threading
import time
from enum import Enum

import structlog

log = structlog.get_logger()


class Cause(Enum):
    """What was found not to work; each cause has its own event that clears it."""

    CONNECTION = "connection"
    """Nothing answers. Cleared by a probe, which the watch of `Database` repeats."""
    FILE = "file"
    """The file of a SQLite database is not the one that was opened. Cleared by a probe, too."""
    OUTCOME = "outcome"
    """The answer to a commit was lost. Cleared by the writer, which looks the outcome up."""
    WRITES = "writes"
    """A commit failed. Cleared by the next one that succeeds, an empty one at the latest."""


REFUSING = frozenset({Cause.CONNECTION, Cause.FILE, Cause.OUTCOME})
"""While one of these lasts, requests are refused at once: each would only wait in vain."""
PROBED = frozenset({Cause.CONNECTION, Cause.FILE})


class Availability:
    """The causes for which the database is unavailable now. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: dict[Cause, str] = {}
        self._since = 0.0
        self.outages = 0
        """How many have begun so far."""

    @property
    def reason(self) -> str | None:
        """Why the database is unavailable; None while it is available."""
        return next(iter(list(self._reasons.values())), None)

    @property
    def refusing(self) -> str | None:
        """Why requests are refused at once; None while they are tried."""
        reasons = list(self._reasons.items())
        return next((reason for cause, reason in reasons if cause in REFUSING), None)

    def has(self, *causes: Cause) -> bool:
        """Whether one of these causes lasts."""
        return any(cause in self._reasons for cause in causes)

    def lost(self, cause: Cause, reason: str) -> None:
        """Note a cause; the first one begins an outage."""
        with self._lock:
            begins = not self._reasons
            self._reasons.setdefault(cause, reason)
            if begins:
                self._since = time.monotonic()
                self.outages += 1
        if begins:
            log.error("database.unavailable", reason=reason)

    def back(self, cause: Cause) -> None:
        """Clear a cause; the last one ends the outage."""
        if cause not in self._reasons:
            return
        with self._lock:
            ends = self._reasons.pop(cause, None) is not None and not self._reasons
        if ends:
            away_s = time.monotonic() - self._since
            log.info("database.available", unavailable_s=round(away_s, 3))
