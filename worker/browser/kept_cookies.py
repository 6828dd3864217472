"""The cookies of a profile, saved after each task: Chromium itself loses some.

It writes cookies to the disk with a delay of up to 30 s, which a killed browser loses, and those
of a session (without a date) never. Both may be a login.
"""

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any

import structlog
from playwright.async_api import BrowserContext
from playwright.async_api import Error as PlaywrightError

log = structlog.get_logger(__name__)

SAVED = "slotgrid-cookies.json"
"""The cookies as the last task left them; absent while a task runs."""
EARLIER = "slotgrid-cookies.earlier.json"
"""The cookies as they were before the task that runs."""


class KeptCookies:
    """Saves and restores the cookies of the profile in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._saved = folder / SAVED
        self._earlier = folder / EARLIER

    def begin(self) -> None:
        """Mark the saved copy as outdated, as a task begins."""
        with contextlib.suppress(OSError):
            self._saved.replace(self._earlier)

    async def save(self, context: BrowserContext) -> None:
        """Save all cookies. Without effect if the disk is full: Chromium has most of them."""
        cookies = await context.cookies()
        try:
            await asyncio.to_thread(_write, self._saved, cookies)
        except OSError as error:
            log.warning("profile.cookies_not_saved", file=str(self._saved), error=error.strerror)

    async def restore(self, context: BrowserContext) -> None:
        """Bring back the cookies that Chromium has lost.

        After the end of a task the saved ones are exact. If the browser was lost in a task, only
        those are added that it lacks: it may have newer values of others.
        """
        exact = await asyncio.to_thread(_read, self._saved)
        cookies = await asyncio.to_thread(_read, self._earlier) if exact is None else exact
        if cookies is None:
            return
        if exact is not None:
            await context.clear_cookies()
        else:
            present = {_identity(cookie) for cookie in await context.cookies()}
            cookies = [cookie for cookie in cookies if _identity(cookie) not in present]
        try:
            await context.add_cookies(cookies)
        except PlaywrightError:  # one that this Chromium refuses must not cost the others
            for cookie in cookies:
                with contextlib.suppress(PlaywrightError):
                    await context.add_cookies([cookie])


def _identity(cookie: Any) -> tuple[Any, ...]:
    return tuple(cookie.get(part) for part in ("name", "domain", "path", "partitionKey"))


def _write(path: Path, cookies: Any) -> None:
    partial = path.with_suffix(".new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(cookies, file)
    partial.replace(path)


def _read(path: Path) -> list[Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, list) else None
