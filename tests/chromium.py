"""A real Chromium for one test, started with the switches that a worker starts it with."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from worker.browser.launch import LaunchPlan


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A fresh browser of a fresh driver; a conftest gets it by `from tests.chromium import ...`."""
    plan = LaunchPlan()
    async with async_playwright() as playwright:
        options = plan.launch_options(plan.executable(), boot_id="tests")
        browser = await playwright.chromium.launch(**options)
        try:
            yield browser
        finally:
            await browser.close()
