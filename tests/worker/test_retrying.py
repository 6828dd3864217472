"""Attempts: which failures allow another one, and what each of them has to itself."""

import asyncio
from pathlib import Path

from slotgrid.core.task_states import TaskState
from tests.harness.in_process.worker import browserless_worker
from tests.harness.waiting import until

FLAKY = """
    @function(timeout_s=5, retries=2, retry_on=(OSError,))
    async def flaky(context: Context, fails: int, how: str = "ConnectionError") -> int:
        if context.attempt <= fails:
            raise {"ConnectionError": ConnectionError, "ValueError": ValueError}[how]("again")
        return context.attempt
"""
PLAIN = """
    @function(timeout_s=5, retries=1, retry_on=KeyError)
    def plain(context: PlainContext, fails: int, how: str = "KeyError") -> int:
        if context.attempt <= fails:
            raise {"KeyError": KeyError, "ValueError": ValueError}[how]("again")
        return context.attempt
"""
QUICK = """
    @function()
    async def quick(context: Context) -> int:
        return 42
"""


async def test_a_failure_that_retry_on_names_is_tried_again_until_it_works(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"flaky.py": FLAKY}) as worker:
        answer = await worker.submit("flaky", input={"fails": 2})
        assert answer.json["result"] == 3
        task = await worker.task(answer.json["id"])
        assert task["status"] == "completed"
        errors = [attempt["error"] for attempt in task["attempts"]]
        assert [error and error["detail"] for error in errors] == [
            "flaky failed: ConnectionError: again",
            "flaky failed: ConnectionError: again",
            None,
        ]
        log = await worker.log_of(answer.json["id"])
        assert "attempt failed: flaky failed: ConnectionError: again; trying again in" in log


async def test_attempts_end_with_the_last_that_is_allowed(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"flaky.py": FLAKY}) as worker:
        problem = await worker.problem("flaky", fails=99)
        assert problem["detail"] == "flaky failed: ConnectionError: again"
        assert len((await worker.task(problem["task_id"]))["attempts"]) == 3


async def test_a_failure_that_retry_on_does_not_name_is_final(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"flaky.py": FLAKY}) as worker:
        problem = await worker.problem("flaky", fails=1, how="ValueError")
        assert len((await worker.task(problem["task_id"]))["attempts"]) == 1


async def test_a_plain_function_is_tried_again_by_the_same_rule(tmp_path: Path) -> None:
    header = "from slotgrid.function import PlainContext\n"
    async with browserless_worker(tmp_path, {}) as worker:
        worker.folder.write("plain.py", header + PLAIN.replace("\n    ", "\n"))
        await worker.reload()
        assert await worker.call("plain", fails=1) == 2
        problem = await worker.problem("plain", fails=1, how="ValueError")
        assert problem["detail"] == "plain failed: ValueError: again"
        assert len((await worker.task(problem["task_id"]))["attempts"]) == 1


async def test_what_retrying_cannot_mend_is_not_tried_again(tmp_path: Path) -> None:
    functions = {
        "odd.py": """
            @function(retries=3, output={"type": "integer"})
            async def odd(context: Context) -> str:
                return "not an integer"
        """,
        "exits.py": """
            @function(retries=3)
            async def exits(context: Context) -> None:
                raise SystemExit(3)
        """,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        problem = await worker.problem("odd")
        assert problem["type"] == "/problems/output-invalid"
        assert len((await worker.task(problem["task_id"]))["attempts"]) == 1


async def test_each_attempt_has_the_whole_timeout(tmp_path: Path) -> None:
    functions = {
        "late.py": """
            import asyncio

            @function(timeout_s=0.6, retries=1)
            async def late(context: Context) -> float:
                await asyncio.sleep(10 if context.attempt == 1 else 0.3)
                return context.deadline.remaining_s
        """
    }
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("late")
        assert answer.status == 200, answer.body
        assert answer.json["result"] < 0.31
        first, second = (await worker.task(answer.json["id"]))["attempts"]
        assert first["error"]["type"] == "/problems/deadline-exceeded"
        assert second["error"] is None


async def test_a_backoff_holds_no_slot_and_can_be_cancelled(tmp_path: Path) -> None:
    functions = {
        "fails.py": """
            @function(retries=20)
            async def fails(context: Context) -> None:
                raise ValueError
        """,
        "quick.py": QUICK,
    }
    async with browserless_worker(tmp_path, functions, SLOTS=1) as worker:
        waiting = await worker.start("fails")
        # The first backoffs are short; wait for one in which there is time to look around.
        await until(lambda: len(waiting.task.attempts) == 3)
        await until(lambda: waiting.task.state is TaskState.QUEUED)
        assert worker.worker.slots.used == 0
        assert await worker.call("quick") == 42
        await waiting.hang_up()
        assert await waiting.ended() is TaskState.CANCELLED


async def test_a_task_retried_by_hand_is_a_new_one_with_the_same_input(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"flaky.py": FLAKY}) as worker:
        first = await worker.submit("flaky", input={"fails": 1})
        again = await worker.request("POST", f"/tasks/{first.json['id']}/retry")
        assert again.json["result"] == 2
        assert again.json["id"] != first.json["id"]
        task = await worker.task(again.json["id"])
        assert task["input"] == {"fails": 1, "how": "ConnectionError"}
        assert task["source"] == {"kind": "retry", "id": first.json["id"]}


async def test_a_worker_that_ends_while_a_task_waits_out_a_backoff_cancels_it(
    tmp_path: Path,
) -> None:
    functions = {"flaky.py": FLAKY}
    async with browserless_worker(tmp_path, functions) as worker:
        waiting = await worker.start("flaky", fails=99)
        await until(lambda: waiting.task.state is TaskState.QUEUED and bool(waiting.task.attempts))
        worker.worker.cancel_everything("a test asked")
        assert await asyncio.wait_for(waiting.ended(), 10) is TaskState.CANCELLED
