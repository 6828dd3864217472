"""Running browsers that may leave nothing behind, and a small site for them."""

import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp.test_utils import TestServer
from pytest_aiohttp.plugin import AiohttpServer

from tests.worker.browser.site import make_site
from worker.browser.browsers import Browsers
from worker.browser.launch import LaunchPlan
from worker.browser.os_processes import processes_of


class StartBrowsers(Protocol):
    """Starts a set of browsers and waits until all of them run, or have failed to."""

    async def __call__(
        self, plan: LaunchPlan = ..., *, count: int = 1, slots: int = 2, **options: Any
    ) -> Browsers: ...


@contextlib.asynccontextmanager
async def browsers_leaving_nothing(temp_dir: Path) -> AsyncIterator[StartBrowsers]:
    """Ends all browsers that were started, then asserts that no process and no folder is left."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            plan: LaunchPlan | None = None, *, count: int = 1, slots: int = 2, **options: Any
        ) -> Browsers:
            browsers = Browsers(
                plan or LaunchPlan(), count=count, slots=slots, temp_dir=temp_dir, **options
            )
            await stack.enter_async_context(browsers.running())
            await browsers.wait_started()
            return browsers

        yield start
    assert processes_of(temp_dir) == []
    assert list(temp_dir.glob("*")) == []


@pytest.fixture(autouse=True)
def nothing_forgotten(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No task or future of a test may end with an error that nobody read."""
    yield
    gc.collect()
    for phase in ("setup", "call", "teardown"):
        records = caplog.get_records(phase)
        assert [
            one for one in records if one.name == "asyncio" and one.levelno >= logging.ERROR
        ] == []


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[StartBrowsers]:
    async with browsers_leaving_nothing(tmp_path / "temp") as start:
        yield start


@pytest.fixture
async def site(aiohttp_server: AiohttpServer) -> TestServer:
    return await aiohttp_server(make_site())
