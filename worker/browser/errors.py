"""What can go wrong with browsers, in our terms."""


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
