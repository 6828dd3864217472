"""A real Chromium for one test, started with the switches that a worker starts it with."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from worker.browser.launch import LaunchPlan

PATIENCE_MS = 40_000
WatchedPage = tuple[Page, list[str]]
"""A page, and what went wrong on it so far."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A fresh browser of a fresh driver; conftests import this fixture."""
    plan = LaunchPlan()
    async with async_playwright() as playwright:
        options = plan.launch_options(plan.executable(), boot_id="tests")
        browser = await playwright.chromium.launch(**options)
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture
async def watched(browser: Browser) -> AsyncIterator[WatchedPage]:
    """A page that must break no policy, run no broken script, and reach nothing but loopback."""
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
