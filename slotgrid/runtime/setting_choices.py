"""The valid words of settings that are a choice."""

from enum import StrEnum


class BrowserKind(StrEnum):
    """Which build of Chromium: the shell draws no window, and runs 3 to 5 times the tasks."""

    SHELL = "chromium-headless-shell"
    CHROMIUM = "chromium"


class ProxyResolver(StrEnum):
    """Who resolves the names of targets behind an upstream proxy."""

    GUARD = "guard"
    PROXY = "proxy"


class Sandbox(StrEnum):
    """Whether Chromium's own sandbox is used; `auto` means where the machine allows it."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class LogLevel(StrEnum):
    """The lowest level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line looks; `auto` means console in a terminal and JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"
