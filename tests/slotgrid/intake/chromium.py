"""A page that must break no policy, run no broken script, and reach nothing but loopback."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.chromium import browser

__all__ = ["WatchedPage", "browser", "watched"]

PATIENCE_MS = 40_000
WatchedPage = tuple[Page, list[str]]
"""A page, and what went wrong on it so far."""


@pytest.fixture
async def watched(browser: Browser) -> AsyncIterator[WatchedPage]:
    page = await browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
            else faults.append(f"asked {request.url}")
        ),
    )
    yield page, faults
    await page.close()
