"""How patient we are with a browser."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take before the next, harder step; seconds.

    Those of closing come from runs with hostile pages: what closes at all closes well within them.
    A ping may take longer, as one that is late on a busy machine would cost all tasks of its
    browser; after a quarter of its time new tasks go elsewhere, and a death is seen without it.
    `open_s` bounds a new context and, again, its page: a tab whose renderer is killed while it
    opens may never be answered for.
    """

    start_s: float = 30.0
    open_s: float = 10.0
    ping_interval_s: float = 1.0
    ping_s: float = 5.0
    memory_interval_s: float = 10.0
    close_s: float = 2.0
    browser_kill_s: float = 0.5
    driver_kill_s: float = 0.5
