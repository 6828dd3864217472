"""The site, and a context of a real Chromium in which a function can run."""

import pytest
from playwright.async_api import Browser

from tests.functions.fakes import RecordingContext
from tests.harness.chromium import browser
from tests.site.fixtures import site

__all__ = ["browser", "context", "site"]


@pytest.fixture
async def context(browser: Browser) -> RecordingContext:
    """A fresh context of a fresh browser."""
    return RecordingContext(await browser.new_context())
