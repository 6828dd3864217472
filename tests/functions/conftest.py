"""The site, and a context of a real Chromium in which a function can run."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.functions.fakes import RecordingContext
from tests.site.fixtures import site

__all__ = ["context", "site"]

DEBIAN_SHELL = Path("/usr/lib/chromium/chromium-headless-shell")


@pytest.fixture
async def context() -> AsyncIterator[RecordingContext]:
    """A fresh context of a fresh browser."""
    executable = DEBIAN_SHELL if DEBIAN_SHELL.exists() else None
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield RecordingContext(await browser.new_context())
        finally:
            await browser.close()
