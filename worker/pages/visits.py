"""A page that was opened, and how long its visitor waits for it."""

import time
from dataclasses import dataclass, field

from playwright.async_api import Page

from slotgrid.function import Deadline
from worker.pages.inputs import WaitUntil

RESERVE_S = 2.0
"""Seconds before the deadline, a tenth of the time left at most, at which a wait ends with an error
of its own: the deadline itself could only say that it has passed."""


class Stopwatch:
    """The time since it was made; its text is that, in seconds."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self._began

    def __str__(self) -> str:
        return f"{self.seconds:.3g} s"


@dataclass(frozen=True)
class Waits:
    """How far a page must load, and how long that may take.

    `load_timeout_s` is a soft limit: after it, the page is used as it is. The deadline is a hard
    one. A page with scripts settles within `settle_s` after its load; 0 does not wait.
    """

    deadline: Deadline
    until: WaitUntil = "load"
    settle_s: float = 0.5
    load_timeout_s: float = 15

    @property
    def left_s(self) -> float:
        """Seconds until a wait must end, above 0."""
        left_s = self.deadline.remaining_s
        return max(0.001, left_s - min(RESERVE_S, left_s / 10))

    @property
    def left_ms(self) -> float:
        """The same in milliseconds, as Playwright takes them."""
        return self.left_s * 1000


@dataclass
class Visit:
    """A page that was opened, and what it shows now.

    `url` is the address that was opened; redirects and scripts may have led on, to `page.url`.
    `status` is the HTTP status of what the page shows, None if it has none. `loaded` is false when
    the page had not loaded as far as `waits` ask for; `pending` lists addresses that it was still
    waiting for. `refreshes`: the headers of the answer lead on to another page.
    """

    page: Page
    url: str
    status: int | None
    waits: Waits
    loaded: bool = True
    pending: list[str] = field(default_factory=list)
    refreshes: bool = False
