"""Functions that use the browser: what they are given, and what they may do to it."""

import zipfile
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
import pytest_asyncio

from slotgrid.core.task_states import TaskState
from tests.harness.in_process.worker import RunningWorker, running_worker
from tests.harness.waiting import until
from tests.worker.page_functions import FUNCTIONS, each_in_its_file

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
    assert "the browser context exists only after `await context.page()`" in problem["detail"]


async def test_context_options_are_those_of_the_context(worker: RunningWorker) -> None:
    assert await worker.call("mobile") == [321, "de-DE"]


async def test_context_options_that_playwright_refuses_are_told_once(
    worker: RunningWorker,
) -> None:
    problem = await worker.problem("refused")
    assert problem["type"] == "/problems/function-failed"
    assert "Playwright refuses: locale: expected string, got number" in problem["detail"]
    assert len((await worker.task(problem["task_id"]))["attempts"]) == 1


async def test_options_of_the_call_win_over_those_of_the_decorator(worker: RunningWorker) -> None:
    assert await worker.call("asks", first={"locale": "fr-FR"}) == [321, "fr-FR", "about:blank"]
    assert await worker.call("asks", first={}) == [321, "de-DE", "about:blank"]
    twice = {"first": {"locale": "fr-FR"}, "then": {"locale": "fr-FR"}}
    assert await worker.call("asks", **twice) == [321, "fr-FR", "about:blank"]


async def test_other_options_than_those_of_the_open_context_are_refused(
    worker: RunningWorker,
) -> None:
    for first in ({}, {"locale": "fr-FR"}):
        problem = await worker.problem("asks", first=first, then={"locale": "it-IT"})
        assert "the task's browser context is already open, with other options" in problem["detail"]


async def test_an_option_of_the_call_that_is_refused_is_told_in_a_sentence(
    worker: RunningWorker,
) -> None:
    for first, detail in (
        ({"timezone_id": "Mars/Base"}, "Invalid timezone ID: Mars/Base"),
        ({"locale": "xx_nonsense!"}, "Invalid locale name"),
        ({"geolocation": {"latitude": 91, "longitude": 0}}, "geolocation.latitude: precondition"),
        ({"user_agent": "a\nb"}, "Invalid characters found in userAgent"),
        ({"storage_state": {"origins": [{"origin": "x", "localStorage": []}]}}, "invalid URL"),
        ({"proxy": {"server": "http://10.0.0.1:1"}}, "ALLOWED_PRIVATE_NETWORKS can allow it"),
    ):
        problem = await worker.problem("asks", first=first)
        assert detail in problem["detail"]
        assert "OptionRefused" in problem["detail"]
        assert "Browser.new_context" not in problem["detail"]


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


async def test_a_flood_costs_its_own_listener_and_no_task_of_another_browser(
    worker: RunningWorker,
) -> None:
    working = await worker.start("works_for_a_while")
    await working.says("status")
    flooding = await worker.start("floods")  # in the browser with the fewest tasks: the other one
    assert await working.result() == 30
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


async def test_a_cancel_while_a_failure_is_recorded_ends_the_task(worker: RunningWorker) -> None:
    # The page cannot be painted, so its screenshot takes until its own time is up.
    running = await worker.start("fails_while_busy")
    await running.says("status")
    await until(lambda: b"ValueError" in b"".join(e.payload for e in running.task.logs.after(0)))
    await running.hang_up()
    assert await running.ended() is TaskState.CANCELLED
    assert running.task.artifacts == {}


async def test_the_record_of_a_browser_task_tells_all_of_it(worker: RunningWorker) -> None:
    answer = await worker.submit("shares", metadata={"order": 7}, priority=2, timeout_s=9)
    task = await worker.task(answer.json["id"])
    assert (task["status"], task["function"], task["worker"]) == (
        "completed",
        "shares",
        "test-worker",
    )
    assert (task["metadata"], task["priority"], task["timeout_s"]) == ({"order": 7}, 2, 9)
    assert task["source"] == {"kind": "api", "id": None}
    assert task["result"] == answer.json["result"] == ["of the caller", True]
    assert task["created_at"] <= task["started_at"] <= task["finished_at"]
    assert task["run_ms"] == answer.json["run_ms"] > 0
    assert [step["name"] for step in task["steps"]] == ["looks-1"]
    [attempt] = task["attempts"]
    assert (attempt["number"], attempt["worker"], attempt["error"]) == (1, "test-worker", None)
    log = await worker.log_of(task["id"])
    assert (
        log.splitlines()[0] == f"attempt 1 on slot {attempt['slot']} of test-worker, pool default"
    )
    assert log.splitlines()[-1] == "completed"
    events = await worker.request("GET", f"/tasks/{task['id']}/events")
    assert events.body.count(b"event: done") == 1
