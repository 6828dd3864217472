"""How fast a crawl asks a host for pages, and when it asks again. Decides, without I/O."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LIMITED = frozenset({429, 503})
"""Statuses by which a host says that it is asked too often, or cannot answer now."""

MAX_ATTEMPTS = 3
"""A page is asked for so often while its host answers with a status in LIMITED."""

BACKOFF_S = (1.0, 60.0)
"""The first wait if a host does not say how long to wait, and the longest; each one doubles."""

MAX_RETRY_AFTER_S = 600.0
"""A host that asks for a longer wait ends the crawl."""

SLOWER_S = (0.5, 10.0)
"""The pause between pages of a host that limited the crawl: the first, and the longest."""

EASES_AFTER = 10
"""After so many pages without a limit, the pause is halved."""


class Pace:
    """The pauses of one crawl. `delay_s` is the caller's pause between pages.

    `wait_s`: how long the host wants to be left alone after the last answer, 0 if it does not.
    """

    def __init__(self, delay_s: float) -> None:
        self.wait_s = 0.0
        self._delay_s = delay_s
        self._slower_s = 0.0
        self._limits_in_a_row = 0
        self._answers_in_a_row = 0

    def pause_s(self, robots_delay_s: float) -> float:
        """Seconds between the last page and the next."""
        return max(self._delay_s, robots_delay_s, self._slower_s, self.wait_s)

    def answered(self) -> None:
        """Note a page that came without a limit."""
        self.wait_s = 0.0
        self._limits_in_a_row = 0
        self._answers_in_a_row += 1
        if self._answers_in_a_row % EASES_AFTER == 0:
            self._slower_s = self._slower_s / 2 if self._slower_s > SLOWER_S[0] else 0.0

    def limited(self, retry_after: str | None) -> None:
        """Note an answer with a status in LIMITED, and its header `Retry-After`."""
        asked_s = seconds_until(retry_after, now=datetime.now(UTC))
        backoff_s = min(BACKOFF_S[0] * 2**self._limits_in_a_row, BACKOFF_S[1])
        self.wait_s = backoff_s if asked_s is None else asked_s
        self._slower_s = min(max(self._slower_s * 2, SLOWER_S[0]), SLOWER_S[1])
        self._limits_in_a_row += 1
        self._answers_in_a_row = 0


def seconds_until(retry_after: str | None, *, now: datetime) -> float | None:
    """Read a `Retry-After` header: seconds, or an HTTP date; None when it is neither."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
