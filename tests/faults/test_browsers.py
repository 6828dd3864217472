"""Browsers and drivers that die or stand still under tasks: each is told, and others go on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from slotgrid.core.task_states import TaskState
from tests.faults.functions import PLAIN
from tests.harness.in_process.worker import RunningWorker, Submitted, running_worker
from tests.harness.waiting import processes_of_type, renderers, until, until_whole
from worker.browser.os_processes import kill
from worker.browser.stats import BrowserStats

pytestmark = pytest.mark.asyncio(loop_scope="module")

FUNCTIONS = {
    "holds.py": """
        @function(timeout_s=60)
        async def holds(context: Context) -> str:
            page = await context.page()
            await context.status("has a page")
            await page.wait_for_function("globalThis.go")
            return "went on"
    """,
    "again.py": """
        @function(timeout_s=60, retries=1, retry_on=())
        async def again(context: Context) -> int:
            page = await context.page()
            if context.attempt == 1:
                await context.status("has a page")
                await page.wait_for_function("globalThis.go")
            return context.attempt
    """,
    "leaves.py": """
        import os, signal

        @function()
        async def leaves(context: Context, pid: int) -> str:
            await context.page()
            os.kill(pid, signal.SIGSTOP)
            return "has its answer before its slot is clean"
    """,
    "crashes.py": """
        @function(timeout_s=60)
        async def crashes(context: Context) -> None:
            page = await context.page()
            await page.goto("chrome://crash")
    """,
    "crashes_in_a_script.py": """
        import asyncio

        @function(timeout_s=60)
        async def crashes_in_a_script(context: Context) -> None:
            page = await context.page()
            control = await context.browser_context.new_cdp_session(page)
            waiting = page.evaluate("new Promise(() => {})")
            await asyncio.gather(waiting, control.send("Page.crash"))
    """,
    "wraps.py": """
        @function(timeout_s=60)
        async def wraps(context: Context) -> None:
            page = await context.page()
            try:
                await page.goto("chrome://crash")
            except Exception as error:
                raise ValueError("in my own words") from error
    """,
    "catches.py": """
        @function(timeout_s=60)
        async def catches(context: Context) -> str:
            page = await context.page()
            try:
                await page.goto("chrome://crash")
            except Exception as error:
                return type(error).__name__
            return "nothing"
    """,
    "_tabs.py": """
        async def in_tabs(context: Context, deed: str) -> int:
            await context.page()
            await context.status("has a page")
            browser = context.browser_context.browser
            while True:
                if deed == "new_context":
                    opened = await browser.new_context()
                    await opened.new_page()
                    await opened.close()
                    continue
                page = await context.browser_context.new_page()
                if deed == "goto":
                    await page.goto("data:text/html,<title>A tab</title>")
                elif deed == "evaluate":
                    await page.evaluate("new Promise(done => setTimeout(done, 300))")
                elif deed == "screenshot":
                    await page.screenshot()
                await page.close()
    """,
    "tabs.py": """
        from ._tabs import in_tabs

        @function(timeout_s=60)
        async def tabs(context: Context, deed: str) -> int:
            return await in_tabs(context, deed)
    """,
    "tabs_again.py": """
        from ._tabs import in_tabs

        @function(timeout_s=60, retries=1, retry_on=())
        async def tabs_again(context: Context, deed: str) -> int:
            if context.attempt == 1:
                await in_tabs(context, deed)
            return context.attempt
    """,
    **PLAIN,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningWorker]:
    path = tmp_path_factory.mktemp("faults")
    async with running_worker(path, FUNCTIONS, BROWSERS=2) as worker:
        yield worker


@pytest_asyncio.fixture(loop_scope="module")
async def worker(shared: RunningWorker) -> AsyncIterator[RunningWorker]:
    """A worker with both its browsers; each test leaves it so."""
    await until_whole(shared.worker.browsers, count=2, slots=2)
    yield shared
    await shared.idle()
    await until_whole(shared.worker.browsers, count=2, slots=2)
    assert await shared.call("title") == "A title"


async def _holding(worker: RunningWorker) -> tuple[BrowserStats, BrowserStats]:
    """The browser that the one running task uses, and the other."""
    await until(lambda: worker.worker.browsers.stats().contexts_in_use == 1)
    used, other = sorted(
        worker.worker.browsers.stats().browsers,
        key=lambda browser: -browser.contexts_in_use,
    )
    return used, other


@pytest.mark.parametrize(
    ("victim", "reason", "words"),
    [
        ("pid", "browser-lost", "the browser died or was killed while holds ran"),
        ("driver_pid", "driver-lost", "the browser's driver died or was killed while holds ran"),
    ],
)
async def test_a_process_killed_under_a_task_is_told_to_it_at_once_and_to_no_other(
    worker: RunningWorker, victim: str, reason: str, words: str
) -> None:
    running = await worker.start("holds")
    await running.says("status")
    used, _ = await _holding(worker)
    neighbour = await worker.start("holds")  # in the browser with the fewest tasks: the other one
    await neighbour.says("status")
    os.kill(getattr(used, victim), signal.SIGKILL)
    problem = await running.problem(500)
    assert problem["type"] == "/problems/browser-crashed"
    assert (problem["reason"], problem["detail"]) == (reason, words)
    assert neighbour.task.state is TaskState.RUNNING
    assert await worker.call("quick") == 42
    assert (await worker.task(running.task.id))["artifacts"] == []
    await neighbour.hang_up()


async def test_a_lost_browser_is_a_reason_to_try_again_whatever_retry_on_says(
    worker: RunningWorker,
) -> None:
    running = await worker.start("again")
    await running.says("status")
    used, _ = await _holding(worker)
    os.kill(used.pid, signal.SIGKILL)
    assert await running.result() == 2
    first, second = (await worker.task(running.task.id))["attempts"]
    assert first["error"]["reason"] == "browser-lost"
    assert second["error"] is None


@pytest.mark.parametrize("victim", ["pid", "driver_pid"])
async def test_a_process_that_stands_still_is_replaced_and_its_task_told(
    worker: RunningWorker, victim: str
) -> None:
    running = await worker.start("holds")
    await running.says("status")
    used, _ = await _holding(worker)
    os.kill(getattr(used, victim), signal.SIGSTOP)
    problem = await running.problem(500)
    assert problem["type"] == "/problems/browser-crashed"
    restarts = (await worker.get("/health"))["browsers"]["restarts"]
    assert restarts["hung"] >= 1


async def test_a_context_that_will_not_close_costs_its_browser_and_not_its_slot(
    worker: RunningWorker,
) -> None:
    # The task stops the browser that it is in: so which one that is must be known before.
    first, second = worker.worker.browsers.stats().browsers
    running = await worker.start("holds")
    await running.says("status")
    _, other = await _holding(worker)
    assert other in {first, second}
    answer = await worker.submit("leaves", input={"pid": other.pid})
    assert answer.json["result"] == "has its answer before its slot is clean"
    assert worker.worker.supervisor.cleaning == 1
    assert worker.worker.slots.used == 2
    assert worker.worker.health.mismatch() == 0
    await until(lambda: worker.worker.supervisor.cleaning == 0)
    assert worker.worker.slots.used == 1
    assert "the slot was freed by force" in await worker.log_of(answer.json["id"])
    [line] = worker.events_logged("slot.freed_by_force")
    assert line["by"] in {"browser-killed", "driver-killed"}
    assert line["task_id"] == answer.json["id"]
    assert running.task.state is TaskState.RUNNING
    await running.hang_up()


@pytest.mark.parametrize("name", ["crashes", "crashes_in_a_script", "wraps"])
async def test_a_crashed_tab_is_told_and_its_browser_goes_on(
    worker: RunningWorker, name: str
) -> None:
    before = {browser.pid for browser in worker.worker.browsers.stats().browsers}
    problem = await worker.problem(name)
    assert problem["type"] == "/problems/browser-crashed"
    assert (problem["reason"], problem["detail"]) == (
        "page-crashed",
        f"the tab crashed while {name} ran",
    )
    assert {browser.pid for browser in worker.worker.browsers.stats().browsers} == before


async def _kill_new_renderers(worker: RunningWorker, running: Submitted) -> None:
    """SIGKILL the renderers of tabs that the task opens from now on, until it fails for it."""
    await running.says("status")
    used, _ = await _holding(worker)
    first = renderers(used.pid)
    while len(running.task.attempts) == 1 and running.task.state is TaskState.RUNNING:
        for process in renderers(used.pid) - first:
            kill(process)
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("deed", ["new_page", "new_context", "goto", "evaluate", "screenshot"])
async def test_a_renderer_killed_under_a_call_is_a_crash_in_any_tab(
    worker: RunningWorker, deed: str
) -> None:
    before = {browser.pid for browser in worker.worker.browsers.stats().browsers}
    running = await worker.start("tabs", deed=deed)
    await _kill_new_renderers(worker, running)
    problem = await running.problem(500)
    assert (problem["type"], problem["reason"]) == ("/problems/browser-crashed", "page-crashed")
    assert {browser.pid for browser in worker.worker.browsers.stats().browsers} == before


@pytest.mark.parametrize("deed", ["new_page", "new_context"])
@pytest.mark.parametrize(
    ("victim", "reason"), [("pid", "browser-lost"), ("driver_pid", "driver-lost")]
)
async def test_a_process_killed_while_a_tab_opens_is_told_as_its_loss(
    worker: RunningWorker, deed: str, victim: str, reason: str
) -> None:
    running = await worker.start("tabs", deed=deed)
    await running.says("status")
    used, _ = await _holding(worker)
    os.kill(getattr(used, victim), signal.SIGKILL)
    problem = await running.problem(500)
    assert (problem["type"], problem["reason"]) == ("/problems/browser-crashed", reason)


async def test_a_gpu_process_may_die_until_its_browser_gives_up(worker: RunningWorker) -> None:
    running = await worker.start("tabs", deed="screenshot")
    await running.says("status")
    used, _ = await _holding(worker)
    killed: set[psutil.Process] = set()
    while running.task.state is TaskState.RUNNING:
        for process in processes_of_type(used.pid, "gpu-process") - killed:
            kill(process)
            killed.add(process)
        await asyncio.sleep(0.02)
    assert len(killed) > 1  # a browser starts a new one, some times
    problem = await running.problem(500)
    assert (problem["type"], problem["reason"]) == ("/problems/browser-crashed", "browser-lost")


async def test_a_crash_of_any_tab_is_a_reason_to_try_again_whatever_retry_on_says(
    worker: RunningWorker,
) -> None:
    running = await worker.start("tabs_again", deed="new_page")
    await _kill_new_renderers(worker, running)
    assert await running.result() == 2


async def test_a_crash_that_the_function_answers_for_is_no_failure_or_a_clear_one(
    worker: RunningWorker,
) -> None:
    # Two things race: the call that fails, which it catches, and the news of the crash.
    answer = await worker.submit("catches")
    if answer.status == 200:
        assert answer.json["result"] == "Error"
    else:
        assert answer.json["reason"] == "page-crashed"


async def test_both_browsers_killed_at_once_come_back_and_nobody_waits_in_vain(
    worker: RunningWorker,
) -> None:
    running = [await worker.start("again") for _ in range(2)]
    for each in running:
        await each.says("status")
    waiting = [await worker.start("title") for _ in range(4)]
    for browser in worker.worker.browsers.stats().browsers:
        os.kill(browser.pid, signal.SIGKILL)
    for each in running:
        assert await each.result() == 2
    for each in waiting:
        assert await each.result() == "A title"


async def test_metrics_and_health_agree_after_all_that(worker: RunningWorker) -> None:
    await worker.call("title")
    await worker.idle()
    metrics = (await worker.request("GET", "/metrics")).body.decode()
    assert "slotgrid_slot_mismatch 0.0" in metrics
    assert 'slotgrid_slots{pool="default",state="busy"} 0.0' in metrics
    assert "slotgrid_browsers 2.0" in metrics
    health = await worker.get("/health")
    assert health["slots"] == {"used": 0, "available": 2, "limit": 2, "queue": 0, "held": None}
    assert health["browsers"]["problem"] is None
    assert health["browsers"]["contexts_in_use"] == 0
