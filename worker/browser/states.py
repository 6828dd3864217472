"""The closed sets of what a browser and a context can be, and how they end."""

from enum import StrEnum


class BrowserState(StrEnum):
    """What a browser process is good for."""

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


PLANNED = {Ending.MAX_TASKS, Ending.MAX_MEMORY}
"""Endings of a browser with which nothing is wrong."""


class Lost(StrEnum):
    """Why a task can no longer go on in its context."""

    PAGE = "page-crashed"
    BROWSER = "browser-lost"
    DRIVER = "driver-lost"
    FLOOD = "page-flooded"


class FreedBy(StrEnum):
    """Which rung of the ladder ended a context."""

    CLOSE = "close"
    BROWSER_KILLED = "browser-killed"
    DRIVER_KILLED = "driver-killed"
