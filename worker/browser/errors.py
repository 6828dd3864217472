"""What can go wrong with browsers, in our terms."""

import re

from playwright.async_api import Error as PlaywrightError

_CRASHED = re.compile(r"([\w.]+: )?(Target|Page) crashed\s*")


class BrowserError(Exception):
    """Base of all. `str(error)` is one sentence for a person."""


class BrowserMissing(BrowserError):
    """No Chromium that could be started; the message says where it was sought and what to do."""


class BrowserUnavailable(BrowserError):
    """No browser can be had now: Chromium is missing, or keeps failing. `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no browser can be had: {reason}")
        self.reason = reason


class ContextOptionsRefused(BrowserError):
    """Playwright refused the options that a context was asked for; the cause says why."""


def tells_of_crash(error: BaseException) -> bool:
    """Whether Playwright raised this because the renderer of a tab died under the call.

    In its words, and no more than these: a script of a page may raise an error that has them too.
    """
    if not isinstance(error, PlaywrightError):
        return False
    first_line, _, _ = str(error).partition("\n")
    return _CRASHED.fullmatch(first_line) is not None
