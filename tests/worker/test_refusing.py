"""Functions that refuse their input while they run."""

from pathlib import Path

import pytest

from tests.harness.in_process.worker import RunningWorker, browserless_worker

FUNCTIONS = {
    "picky.py": """
        from slotgrid.function import InputRefused

        @function(retries=2)
        async def picky(context: Context, place: Secret) -> None:
            raise InputRefused("place", f"there is no place {place}")
    """,
    "calls_picky.py": """
        @function()
        async def calls_picky(context: Context) -> None:
            await context.call("picky", {"place": "atlantis"})
    """,
}


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_an_input_that_the_function_refuses_is_an_invalid_input(
    tmp_path: Path, mode: str
) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS) as worker:
        problem = await refusal(worker, mode)
        assert problem["type"] == "/problems/invalid-input"
        assert problem["status"] == 400
        assert problem["detail"] == "picky: /input/place: there is no place [redacted]"
        assert problem["errors"] == [
            {"pointer": "/input/place", "message": "there is no place [redacted]"}
        ]


async def refusal(worker: RunningWorker, mode: str) -> dict[str, object]:
    """The error of the task, which has had one attempt and no traceback."""
    answer = await worker.submit("picky", input={"place": "atlantis"}, mode=mode)
    task_id = answer.json.get("task_id") or answer.json["id"]
    await worker.idle()
    task = await worker.task(task_id)
    assert task["status"] == "failed"
    assert len(task["attempts"]) == 1
    logs = await worker.request("GET", f"/tasks/{task_id}/logs")
    assert b"Traceback" not in logs.body
    if mode == "sync":
        assert answer.status == 400
        assert answer.json == task["error"]
    error: dict[str, object] = task["error"]
    return error


async def test_a_refusal_of_a_called_function_is_a_failure_of_its_caller(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS) as worker:
        problem = await worker.problem("calls_picky")
        assert problem["type"] == "/problems/function-failed"
        expected = "calls_picky failed: picky: /input/place: there is no place [redacted]"
        assert problem["detail"] == expected
