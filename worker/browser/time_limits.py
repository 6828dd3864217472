"""Time limits for the operations of a browser."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds; after each of them the next, harder step follows.

    The limits for closing come from runs with hostile pages: a close that succeeds takes much
    less. `ping_s` is longer, as a late ping on a busy machine would cost all tasks of its browser.
    After a quarter of `ping_s`, new tasks get other browsers; a death is detected without a ping.
    `open_s` limits the opening of a context and, separately, of its page: if the renderer is
    killed while a tab opens, Playwright may never respond.
    """

    start_s: float = 30.0
    open_s: float = 10.0
    ping_interval_s: float = 1.0
    ping_s: float = 5.0
    memory_interval_s: float = 10.0
    close_s: float = 2.0
    browser_kill_s: float = 0.5
    driver_kill_s: float = 0.5
