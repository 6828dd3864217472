"""The errors of browsers."""

import re

from playwright.async_api import Error as PlaywrightError

_CRASHED = re.compile(r"([\w.]+: )?(Target|Page) crashed\s*")


class BrowserError(Exception):
    """Base of all browser errors. `str(error)` is one sentence for a person."""


class BrowserMissing(BrowserError):
    """No usable Chromium was found; the message says why, and how to install a missing one."""


class BrowserUnavailable(BrowserError):
    """No browser is available: Chromium is missing or fails repeatedly. `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no browser is available: {reason}")
        self.reason = reason


class ContextOptionsRefused(BrowserError):
    """Playwright refused the options of a new context; the cause says why."""


def is_crash(error: BaseException) -> bool:
    """Whether Playwright raised this because the renderer of a tab died during the call.

    The whole first line must match: a page's script may raise an error that contains these words.
    """
    if not isinstance(error, PlaywrightError):
        return False
    first_line, _, _ = str(error).partition("\n")
    return _CRASHED.fullmatch(first_line) is not None
