"""Steps that other code than `context.call` runs, as a recipe does."""

from pathlib import Path

import pytest

from tests.harness.in_process.worker import browserless_worker

RECIPE = """
    from slotgrid.core.task_states import StepState
    from worker.steps import StepScope, emit_step

    @function(streaming=True)
    async def recipe(context: Context, wrong: bool = False, large: int = 1, hangs: bool = False):
        attempt = context._attempt
        first = attempt.add_step("recipe", name="open", action="goto")
        second = attempt.add_step("recipe", name="press", action="click")
        for step in (first, second):
            await emit_step(attempt, step)
        async with StepScope(attempt, first, {"url": "x" * large}) as scope:
            if wrong:
                raise LookupError("no such page")
            if hangs:
                import asyncio
                await context.status("hanging")
                await asyncio.sleep(600)
            scope.set_output({"status": 200})
        second.end(StepState.SKIPPED)
        await emit_step(attempt, second)
"""


async def test_a_step_goes_from_pending_to_its_end_with_an_event_for_each_state(
    tmp_path: Path,
) -> None:
    async with browserless_worker(tmp_path, {"recipe.py": RECIPE}) as worker:
        submitted = await worker.start("recipe", fields={"mode": "stream"})
        answer = await submitted.answer()
        task = await worker.task(submitted.task.id)
        opened, pressed = task["steps"]
        assert (opened["name"], opened["function"], opened["action"]) == ("open", "recipe", "goto")
        assert (opened["status"], opened["worker"]) == ("completed", "test-worker")
        assert (opened["input"], opened["output"]) == ({"url": "x"}, {"status": 200})
        assert (pressed["status"], pressed["started_at"], pressed["worker"]) == (
            "skipped",
            None,
            None,
        )
        events = answer.body.decode()
        states = [part.split('"')[0] for part in events.split('"status":"')[1:]]
        assert states == ["pending", "pending", "running", "completed", "skipped"]


async def test_an_exception_fails_the_step_and_passes_through(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"recipe.py": RECIPE}) as worker:
        problem = await worker.problem("recipe", wrong=True)
        assert problem["detail"] == "recipe failed: LookupError: no such page"
        opened, pressed = (await worker.task(problem["task_id"]))["steps"]
        assert (opened["status"], opened["error"]) == ("failed", "LookupError: no such page")
        assert opened["output"] is None
        # The attempt is over: what it did not reach is skipped.
        assert (pressed["status"], pressed["started_at"]) == ("skipped", None)


async def test_a_record_has_no_step_that_still_waits(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"recipe.py": RECIPE}) as worker:
        answer = await worker.submit("recipe", mode="async", input={"wrong": True})
        task_id = answer.json["id"]
        await worker.get(f"/tasks/{task_id}", wait_s="30")
        await worker.idle()
        worker.worker.history.remove(task_id)  # so that the record in the database is read
        steps = (await worker.task(task_id))["steps"]
        assert [step["status"] for step in steps] == ["failed", "skipped"]


async def test_a_cancel_cancels_the_running_step(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"recipe.py": RECIPE}) as worker:
        submitted = await worker.start("recipe", fields={"mode": "stream"}, hangs=True)
        await submitted.says("status")
        await submitted.hang_up()
        await submitted.ended()
        await worker.idle()
        steps = (await worker.task(submitted.task.id))["steps"]
        assert [step["status"] for step in steps] == ["cancelled", "skipped"]


async def test_the_secrets_of_an_input_are_hidden(tmp_path: Path) -> None:
    functions = {
        "login.py": """
            @function()
            async def login(context: Context, name: str, password: Secret) -> None: ...
        """,
        "visit.py": """
            @function()
            async def visit(context: Context) -> None:
                given = {"name": "ada", "password": "sesame-open"}
                await context.call("login", given)
        """,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("visit")
        [step] = (await worker.task(answer.json["id"]))["steps"]
        assert step["input"]["name"] == "ada"
        assert "sesame" not in str(step)


async def test_an_input_beyond_the_limit_is_left_out_and_the_task_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.attempt.STEP_INPUTS_LIMIT", 1000)
    async with browserless_worker(tmp_path, {"recipe.py": RECIPE}) as worker:
        answer = await worker.submit("recipe", input={"large": 2000})
        assert answer.status == 200
        opened, _ = (await worker.task(answer.json["id"]))["steps"]
        assert (opened["status"], opened["input"]) == ("completed", None)
