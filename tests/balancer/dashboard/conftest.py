"""A balancer, and its dashboard in a real browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.balancer.dashboard.pages import Dashboard, watch
from tests.harness.chromium import browser
from tests.harness.in_process.balancer import RunningBalancer

__all__ = ["browser"]


@pytest.fixture
async def dashboard(
    balancer: RunningBalancer, browser: Browser, tmp_path: Path
) -> AsyncIterator[Dashboard]:
    """The dashboard of the balancer, on a screen of 1280 by 800; nobody is logged in."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    yield await watch(page, balancer.url, tmp_path / "pictures")
    await page.close()
