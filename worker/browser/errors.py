"""The errors of browsers."""

import re

from playwright.async_api import Error as PlaywrightError

_SIGNS = {
    "locale": "locale",
    "timezone_id": "timezone",
    "storage_state": "storage",
    "user_agent": "userAgent",
    "geolocation": "geolocation",
    "viewport": "viewport",
    "proxy": "proxy",
}
"""The options that Playwright or Chromium may refuse, and a word of the message then."""
_FRAME = re.compile(
    r"Browser(Context)?\.\w+: |Error setting storage state:\s*|Protocol error \([\w.]+\): "
)
_CALL_LOG = re.compile(r"\n\s*Call log:")
_LOG_HEAD = re.compile(r"^.*:FATAL:[^\]]*\]")
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
    """The options of a new context are unusable.

    `option` is the one at fault, None if unknown; `reason` says why, without Playwright's frame.
    """

    def __init__(self, message: str, *, option: str | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.option = option
        self.reason = reason or message

    @classmethod
    def by_playwright(cls, cause: BaseException) -> "ContextOptionsRefused":
        """The error for Playwright's refusal."""
        text = _CALL_LOG.split(str(cause))[0].strip()
        option = next((name for name, sign in _SIGNS.items() if sign in text), None)
        reason = _FRAME.sub("", text).replace("\n", " ")
        return cls(f"Playwright refuses: {text}", option=option, reason=reason)


class TabNotOpened(PlaywrightError):
    """A tab did not open in time: its process has probably died."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the tab did not open within {seconds:g} s")


def launch_fault(error: BaseException) -> str:
    """Why a browser did not start, in a line: Playwright quotes the whole log of the browser."""
    first, *rest = str(error).strip().splitlines() or [repr(error)]
    fatal = next((_LOG_HEAD.sub("", line) for line in rest if ":FATAL:" in line), None)
    return first if fatal is None else f"{first}: {fatal.strip()}"


def is_crash(error: BaseException) -> bool:
    """Whether the call failed because the renderer of a tab died during it.

    The whole first line must match: a page's script may raise an error that contains these words.
    """
    if isinstance(error, TabNotOpened):
        return True
    if not isinstance(error, PlaywrightError):
        return False
    first_line, _, _ = str(error).partition("\n")
    return _CRASHED.fullmatch(first_line) is not None
