"""What the set of browsers tells about itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.browser.states import BrowserState, Ending


@dataclass(frozen=True, slots=True)
class BrowserStats:
    """One browser process. `tasks` counts the contexts it gave so far."""

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
    """All of them.

    `restarts` counts by reason (`Ending`). `problem` says why the last start failed, until one
    succeeds.
    """

    browsers: tuple[BrowserStats, ...]
    contexts_in_use: int
    spares: int
    restarts: Mapping[Ending, int]
    version: str | None
    problem: str | None
