"""Browsers for the guard's tests; what they leave behind fails a test."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from tests.worker.browser.conftest import (
    StartBrowsers,
    browsers_leaving_nothing,
    nothing_forgotten,
)

__all__ = ["nothing_forgotten"]

BOTH_LOOPS = ("test_connection", "test_faults")
"""Modules whose tests run on asyncio's loop and on uvloop's, which the worker uses."""


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops of a test."""
    if item.path.stem in BOTH_LOOPS:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
async def start() -> AsyncIterator[StartBrowsers]:
    """As that of the browsers' tests, with paths that are short enough for a full Chromium."""
    with tempfile.TemporaryDirectory(prefix="guard-") as folder:
        async with browsers_leaving_nothing(Path(folder)) as start:
            yield start
