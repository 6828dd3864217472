"""Functions that use the browser: what they are given, and what they may do to it."""

import zipfile
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
import pytest_asyncio

from slotgrid.core.task import TaskState
from tests.worker.browser.waiting import until
from tests.worker.running import RunningWorker, running_worker

pytestmark = pytest.mark.asyncio(loop_scope="module")

FUNCTIONS = """
@function(timeout_s=20)
async def twice(context: Context) -> list[bool]:
    first, second = await asyncio.gather(context.page(), context.page())
    third = await context.page()
    return [first is second, first is third, context.browser_context is first.context]

@function(timeout_s=20)
async def too_early(context: Context) -> None:
    context.browser_context

@function(timeout_s=20)
async def closes_page(context: Context) -> bool:
    page = await context.page()
    await page.close()
    return page.is_closed()

@function(timeout_s=20)
async def closes_page_and_fails(context: Context) -> None:
    await (await context.page()).close()
    raise ValueError("after the page")

@function(timeout_s=20)
async def goes_on_with_a_closed_page(context: Context) -> None:
    page = await context.page()
    await page.close()
    await page.goto("data:,late")

@function(timeout_s=20)
async def closes_context(context: Context) -> int:
    await context.page()
    await context.browser_context.close()
    return 1

@function(timeout_s=20)
async def closes_browser(context: Context) -> int:
    await context.page()
    await context.browser_context.browser.close()
    return 1

@function(timeout_s=20)
async def opens_many(context: Context) -> int:
    page = await context.page()
    for _ in range(5):
        await context.browser_context.new_page()
    async with page.expect_popup():
        await page.evaluate("open('about:blank')")
    return len(context.browser_context.pages)

@function(timeout_s=20)
async def bad_listeners(context: Context) -> int:
    page = await context.page()
    def raises(message):
        raise ValueError("in a listener")
    async def raises_later(message):
        raise ValueError("in an async listener")
    page.on("console", raises)
    page.on("console", raises_later)
    await page.evaluate("console.log(1)")
    return await page.evaluate("6 * 7")

@function(timeout_s=20)
async def exits_in_a_listener(context: Context) -> int:
    page = await context.page()
    page.on("console", lambda _: sys.exit(3))
    await page.evaluate("console.log(1)")
    return await page.evaluate("6 * 7")

@function(timeout_s=20)
async def exits_in_an_async_listener(context: Context) -> int:
    page = await context.page()

    async def exits(message) -> None:
        sys.exit(3)

    page.on("console", exits)
    await page.evaluate("console.log(1)")
    return await page.evaluate("6 * 7")

@function(timeout_s=20)
async def floods(context: Context) -> int:
    page = await context.page()
    heard = []
    page.on("console", lambda message: heard.append(message.text))
    await page.goto("data:text/html,<script>setTimeout(flood);"
                    "function flood() { for (let i = 0; i < 3e4; i++) console.log(i) }</script>")
    await asyncio.sleep(1)
    return len(heard)

@function(timeout_s=20)
async def never_resolves(context: Context) -> None:
    page = await context.page()
    await context.status("evaluating")
    await page.evaluate("new Promise(() => {})")

@function(timeout_s=20)
async def never_yields(context: Context) -> None:
    page = await context.page()
    await context.status("evaluating")
    await page.evaluate("() => { while (true); }")

@function(timeout_s=20)
async def fails(context: Context) -> None:
    page = await context.page()
    await page.goto("data:text/html,<title>seen</title><h1>What was there</h1>")
    raise ValueError("with a page open")

@function(timeout_s=20)
async def title(context: Context) -> str:
    page = await context.page()
    await page.goto("data:text/html,<title>A title</title>")
    return await page.title()

@function(timeout_s=20)
async def half_a_pair(context: Context) -> str:
    page = await context.page()
    return await page.evaluate("'a\\\\ud800b'")

@function(timeout_s=20)
async def playwright_fails(context: Context) -> None:
    page = await context.page()
    await page.click("#nowhere", timeout=100)

@function(timeout_s=20)
async def leaves_work_behind(context: Context) -> int:
    page = await context.page()
    left = asyncio.ensure_future(page.wait_for_timeout(60_000))
    left.add_done_callback(lambda left: left.exception())
    await asyncio.sleep(0)
    return 1

@function(on_failure=("screenshot", "html", "trace"), retries=1)
async def keeps_all(context: Context) -> None:
    page = await context.page()
    await page.goto("data:text/html,<title>seen</title><h1>What was there</h1>")
    raise ValueError("with a page open")

@function(on_failure=())
async def keeps_nothing(context: Context) -> None:
    page = await context.page()
    await page.goto("data:text/html,<title>seen</title><h1>What was there</h1>")
    raise ValueError("with a page open")

@function(on_failure=("html", "trace"))
async def keeps_a_secret(context: Context, password: Secret) -> None:
    page = await context.page()
    await page.set_content(f"<p>{password}</p>")
    raise ValueError("with a secret on the page")

@function(context_options={"viewport": {"width": 321, "height": 400}, "locale": "de-DE"})
async def mobile(context: Context) -> list:
    page = await context.page()
    return await page.evaluate("[innerWidth, navigator.language]")

@function(context_options={"locale": 5}, retries=2)
async def refused(context: Context) -> None:
    await context.page()

@function()
async def shares(context: Context) -> list:
    page = await context.page()
    await page.set_content("<title>of the caller</title>")
    return await context.call("looks")

@function(context_options={"locale": "fr-FR"})
async def looks(context: Context) -> list:
    page = await context.page()
    return [await page.title(), context.browser_context is page.context]
"""


def each_in_its_file(text: str) -> dict[str, str]:
    """Functions that stand below each other, as files named after them."""
    parts = [f"@function{part}" for part in text.split("@function")[1:]]
    return {
        f"{part.split('async def ')[1].split('(')[0]}.py": f"import asyncio, sys\n\n\n{part}"
        for part in parts
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningWorker]:
    # A browser for each slot: what a task does to its browser is no matter of its neighbour's.
    async with running_worker(
        tmp_path_factory.mktemp("pages"), each_in_its_file(FUNCTIONS), BROWSERS=2
    ) as worker:
        assert worker.worker.registry.broken == ()
        yield worker


@pytest_asyncio.fixture(loop_scope="module")
async def worker(shared: RunningWorker) -> AsyncIterator[RunningWorker]:
    """The worker, which each test leaves as it found it, and fit for the next task."""
    yield shared
    await shared.idle()
    assert await shared.call("title") == "A title"


async def test_the_page_is_the_same_however_often_it_is_asked_for(worker: RunningWorker) -> None:
    assert await worker.call("twice") == [True, True, True]


async def test_there_is_no_browser_context_before_the_page(worker: RunningWorker) -> None:
    problem = await worker.problem("too_early")
    assert "there is no browser context before `await context.page()`" in problem["detail"]


async def test_context_options_are_those_of_the_context(worker: RunningWorker) -> None:
    assert await worker.call("mobile") == [321, "de-DE"]


async def test_context_options_that_playwright_refuses_are_told_once(
    worker: RunningWorker,
) -> None:
    problem = await worker.problem("refused")
    assert problem["type"] == "/problems/function-failed"
    assert "Playwright refuses: locale: expected string, got number" in problem["detail"]
    assert len((await worker.task(problem["task_id"]))["attempts"]) == 1


async def test_a_called_function_works_in_its_callers_page(worker: RunningWorker) -> None:
    assert await worker.call("shares") == ["of the caller", True]


async def test_a_function_may_close_its_page_and_its_context(worker: RunningWorker) -> None:
    assert await worker.call("closes_page") is True
    assert await worker.call("closes_context") == 1
    problem = await worker.problem("closes_page_and_fails")
    assert problem["detail"] == "closes_page_and_fails failed: ValueError: after the page"
    assert (await worker.task(problem["task_id"]))["artifacts"] == []


async def test_a_page_that_the_function_closed_is_its_own_fault(worker: RunningWorker) -> None:
    problem = await worker.problem("goes_on_with_a_closed_page")
    assert problem["type"] == "/problems/function-failed"
    assert "has been closed" in problem["detail"]


async def test_a_function_that_closes_the_browser_costs_a_restart_and_no_slot(
    worker: RunningWorker,
) -> None:
    before = sum(worker.worker.browsers.stats().restarts.values())
    answer = await worker.submit("closes_browser")
    assert answer.status in {200, 500}
    await worker.idle()
    await until(lambda: sum(worker.worker.browsers.stats().restarts.values()) > before)


async def test_pages_and_popups_of_a_task_go_with_it(worker: RunningWorker) -> None:
    assert await worker.call("opens_many") == 7


async def test_listeners_that_raise_reach_only_their_own_tasks_log(worker: RunningWorker) -> None:
    answer = await worker.submit("bad_listeners")
    assert answer.json["result"] == 42
    log = await worker.log_of(answer.json["id"])
    assert "a listener failed: ValueError: in a listener" in log
    assert "a listener failed: ValueError: in an async listener" in log


@pytest.mark.parametrize("name", ["exits_in_a_listener", "exits_in_an_async_listener"])
async def test_a_listener_cannot_end_the_process(worker: RunningWorker, name: str) -> None:
    answer = await worker.submit(name)
    assert answer.json["result"] == 42
    assert "a listener failed: SystemExit: 3" in await worker.log_of(answer.json["id"])


async def test_a_flood_costs_its_own_listener_and_nobody_else(worker: RunningWorker) -> None:
    flooding = await worker.start("floods")
    for _ in range(5):
        assert await worker.call("title") == "A title"
    heard = await flooding.result()
    assert 0 < heard < 10_000
    assert "`console` came too often" in await worker.log_of(flooding.task.id)


@pytest.mark.parametrize("name", ["never_resolves", "never_yields"])
async def test_a_script_that_never_ends_is_ended_by_the_deadline(
    worker: RunningWorker, name: str
) -> None:
    running = await worker.start(name, fields={"timeout_s": 1.5})
    await running.says("status")
    assert await worker.call("title") == "A title"
    problem = await running.problem(504)
    assert problem["type"] == "/problems/deadline-exceeded"


async def test_a_cancel_ends_a_script_that_never_does(worker: RunningWorker) -> None:
    running = await worker.start("never_yields")
    await running.says("status")
    await running.hang_up()
    assert await running.ended() is TaskState.CANCELLED


async def test_a_failure_leaves_a_screenshot_of_its_page(worker: RunningWorker) -> None:
    problem = await worker.problem("fails")
    task = await worker.task(problem["task_id"])
    assert [file["name"] for file in task["artifacts"]] == ["failure.png"]
    picture = await worker.artifact(task["id"], "failure.png")
    assert picture.startswith(b"\x89PNG")


async def test_a_failure_leaves_what_on_failure_asks_for_of_each_attempt(
    worker: RunningWorker,
) -> None:
    problem = await worker.problem("keeps_all")
    task = await worker.task(problem["task_id"])
    assert {file["name"] for file in task["artifacts"]} == {
        "failure.png",
        "failure.html",
        "failure.trace.zip",
        "failure-2.png",
        "failure-2.html",
        "failure-2.trace.zip",
    }
    assert b"What was there" in await worker.artifact(task["id"], "failure.html")
    trace = await worker.artifact(task["id"], "failure-2.trace.zip")
    assert "trace.trace" in zipfile.ZipFile(BytesIO(trace)).namelist()


async def test_a_failure_leaves_nothing_where_nothing_is_asked_for(worker: RunningWorker) -> None:
    problem = await worker.problem("keeps_nothing")
    assert (await worker.task(problem["task_id"]))["artifacts"] == []


async def test_what_a_failure_leaves_holds_no_secret(worker: RunningWorker) -> None:
    problem = await worker.problem("keeps_a_secret", password="correct-horse")
    task = await worker.task(problem["task_id"])
    assert [file["name"] for file in task["artifacts"]] == ["failure.html"]
    assert b"<p>[redacted]</p>" in await worker.artifact(task["id"], "failure.html")
    log = await worker.log_of(task["id"])
    assert "no trace of the failure: the task has secrets" in log


async def test_half_a_surrogate_pair_from_a_page_is_replaced(worker: RunningWorker) -> None:
    assert await worker.call("half_a_pair") == "a\ufffdb"


async def test_playwrights_error_is_one_sentence_and_its_internals_stay_out(
    worker: RunningWorker,
) -> None:
    problem = await worker.problem("playwright_fails")
    assert "\n" not in problem["detail"]
    assert "Timeout 100ms exceeded" in problem["detail"]
    log = await worker.log_of(problem["task_id"])
    assert 'await page.click("#nowhere", timeout=100)' in log
    assert "site-packages" not in log
    assert "worker/" not in log


async def test_calls_that_a_function_leaves_behind_end_with_its_context(
    worker: RunningWorker,
) -> None:
    assert await worker.call("leaves_work_behind") == 1
