"""The states of a browser, and the ways in which browsers and contexts end."""

from enum import StrEnum


class BrowserState(StrEnum):
    """The states of a browser process."""

    READY = "ready"
    RETIRING = "retiring"  # keeps its tasks, takes no new ones
    ENDED = "ended"


MOVES = {
    BrowserState.READY: {BrowserState.RETIRING, BrowserState.ENDED},
    BrowserState.RETIRING: {BrowserState.ENDED},
    BrowserState.ENDED: set[BrowserState](),
}


class Ending(StrEnum):
    """Why a browser was replaced."""

    BROWSER_DIED = "browser-died"
    DRIVER_DIED = "driver-died"
    HUNG = "hung"
    CLOSE_HUNG = "close-hung"
    FLOODED = "flooded"
    MAX_TASKS = "max-tasks"
    MAX_MEMORY = "max-memory"
    OUTDATED = "outdated"  # a persistent one: a task left traces, or the pool's options changed


PLANNED = {Ending.MAX_TASKS, Ending.MAX_MEMORY, Ending.OUTDATED}
"""The endings of a healthy browser: recycling."""


class Loss(StrEnum):
    """Why a task has lost its context."""

    PAGE = "page-crashed"
    BROWSER = "browser-lost"
    DRIVER = "driver-lost"
    FLOOD = "page-flooded"
    TRAFFIC = "traffic-limit"


class FreedBy(StrEnum):
    """Which step of the close ended a context."""

    CLOSE = "close"
    BROWSER_KILLED = "browser-killed"
    DRIVER_KILLED = "driver-killed"
