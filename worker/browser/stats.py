"""Statistics of the set of browsers."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.browser.browser_states import BrowserState, Ending


@dataclass(frozen=True, slots=True)
class BrowserStats:
    """One browser process. `tasks` counts the contexts that it gave to tasks."""

    place: int
    state: BrowserState
    pid: int
    driver_pid: int
    tasks: int
    memory_mb: int
    contexts_in_use: int
    spares: int


@dataclass(frozen=True, slots=True)
class BrowsersStats:
    """All browser processes.

    `restarts` counts by reason (`Ending`). `problem` says why the last start failed, until a start
    succeeds.
    """

    browsers: tuple[BrowserStats, ...]
    contexts_in_use: int
    spares: int
    restarts: Mapping[Ending, int]
    version: str | None
    problem: str | None
