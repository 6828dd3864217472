"""Nothing of one task reaches another: tried with everything a page can leave behind."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

from tests.harness.waiting import PATIENT
from tests.worker.browser.conftest import browsers_leaving_nothing
from tests.worker.browser.site import make_site
from tests.worker.browser.tricks import TRICKS, Trick, Visit
from worker.browser.browser_context import TaskContext
from worker.browser.browsers import Browsers

# One browser for the whole module: that what one test leaves must not reach the next is the point.
pytestmark = pytest.mark.asyncio(loop_scope="module")
each_trick = pytest.mark.parametrize("trick", TRICKS, ids=[trick.name for trick in TRICKS])


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def one_browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browsers]:
    async with browsers_leaving_nothing(tmp_path_factory.mktemp("isolation") / "temp") as start:
        yield await start(count=1, slots=2, limits=PATIENT)


@pytest_asyncio.fixture(loop_scope="module")
async def pages() -> AsyncIterator[TestServer]:
    server = TestServer(make_site())
    async with server:
        yield server


def _visit(task: TaskContext, site: TestServer) -> Visit:
    return Visit(task.context, task.page, site)


@each_trick
async def test_a_task_sees_nothing_of_another_one(
    trick: Trick, one_browser: Browsers, pages: TestServer
) -> None:
    first = await one_browser.context()
    beside = await one_browser.context()
    await trick.dirty(_visit(first, pages))
    assert not await trick.check(_visit(beside, pages)), "of one that runs at the same time"
    await first.close()
    after = await one_browser.context()
    assert not await trick.check(_visit(after, pages)), "of one that ran before"
    await beside.close()
    await after.close()
    assert one_browser.stats().contexts_in_use == 0


@each_trick
async def test_the_same_check_sees_the_leak_when_two_tasks_share_a_context(
    trick: Trick, one_browser: Browsers, pages: TestServer
) -> None:
    shared = await one_browser.context()
    await trick.dirty(_visit(shared, pages))
    assert await trick.check(_visit(shared, pages))
    await shared.close()
