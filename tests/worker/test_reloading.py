"""A functions folder that changes under the tasks that run from it."""

import asyncio
from pathlib import Path

from slotgrid.core.task_states import TaskState
from tests.harness.in_process.worker import RunningWorker, browserless_worker
from tests.harness.waiting import until


def _waits(answer: str, parameters: str = "", helper: str = "") -> str:
    return f"""
        import asyncio
        from pathlib import Path
        {helper}

        @function(timeout_s=30)
        async def waits(context: Context, go: str{parameters}) -> str:
            await context.status("begun")
            while not Path(go).exists():
                await asyncio.sleep(0.02)
            return {answer}
    """


async def _write(worker: RunningWorker, name: str, text: str) -> None:
    """Change a file and wait until the worker has seen it by itself."""
    version = worker.worker.registry.version
    worker.folder.write(name, text)
    await until(lambda: worker.worker.registry.version > version)


async def test_a_running_task_ends_with_the_old_code_and_the_next_has_the_new(
    tmp_path: Path,
) -> None:
    go = tmp_path / "go"
    async with browserless_worker(tmp_path, {"waits.py": _waits("'old'")}) as worker:
        running = await worker.start("waits", go=str(go))
        await running.says("status")
        await _write(worker, "waits.py", _waits("'new'"))
        other = await worker.start("waits", go=str(go))
        await other.says("status")
        go.touch()
        assert await running.result() == "old"
        assert await other.result() == "new"


async def test_a_changed_helper_changes_the_functions_that_import_it(tmp_path: Path) -> None:
    go = tmp_path / "go"
    functions = {
        "waits.py": _waits("word", helper="from ._words import word"),
        "_words.py": "word = 'old'\n",
        "late.py": """
            from ._words import word

            @function()
            def late(context: Context) -> str:
                return word
        """,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        running = await worker.start("waits", go=str(go))
        await running.says("status")
        assert await worker.call("late") == "old"
        await _write(worker, "_words.py", "word = 'new'\n")
        assert await worker.call("late") == "new"
        go.touch()
        assert await running.result() == "old"
        assert await worker.call("waits", go=str(go)) == "new"


async def test_a_task_that_waited_while_its_function_changed_runs_the_new_code(
    tmp_path: Path,
) -> None:
    go = tmp_path / "go"
    async with browserless_worker(tmp_path, {"waits.py": _waits("'old'")}, SLOTS=1) as worker:
        running = await worker.start("waits", go=str(go))
        await running.says("status")
        waiting = await worker.start("waits", go=str(go))
        await _write(worker, "waits.py", _waits("'new' + more", ", more: str = ' default'"))
        go.touch()
        assert await running.result() == "old"
        assert await waiting.result() == "new default"
        task = await worker.task(waiting.task.id)
        assert task["input"]["more"] == " default"


async def test_an_input_that_the_changed_function_does_not_take_is_told_before_it_runs(
    tmp_path: Path,
) -> None:
    go = tmp_path / "go"
    async with browserless_worker(tmp_path, {"waits.py": _waits("'old'")}, SLOTS=1) as worker:
        running = await worker.start("waits", go=str(go))
        await running.says("status")
        waiting = await worker.start("waits", go=str(go))
        await _write(worker, "waits.py", _waits("'new'", ", needed: int"))
        go.touch()
        assert await running.result() == "old"
        problem = await waiting.problem(400)
        assert problem["type"] == "/problems/invalid-input"
        assert "needed" in problem["errors"][0]["message"]
        assert problem["errors"][0]["pointer"] == "/input"


async def test_a_task_whose_function_is_removed_while_it_waits_is_told_so(
    tmp_path: Path,
) -> None:
    go = tmp_path / "go"
    functions = {"waits.py": _waits("'old'")}
    async with browserless_worker(tmp_path, functions, SLOTS=1) as worker:
        running = await worker.start("waits", go=str(go))
        await running.says("status")
        waiting = await worker.start("waits", go=str(go))
        worker.folder.remove("waits.py")
        await until(lambda: worker.worker.registry.find("waits") is None)
        go.touch()
        assert await running.result() == "old"
        problem = await waiting.problem(404)
        assert problem["type"] == "/problems/unknown-function"
        assert (await worker.submit("waits", input={"go": ""})).status == 404


async def test_a_change_that_breaks_keeps_the_last_good_code_and_says_so(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.touch()
    async with browserless_worker(tmp_path, {"waits.py": _waits("'good'")}) as worker:
        assert await worker.call("waits", go=str(go)) == "good"
        await _write(worker, "waits.py", "def broken(:\n")
        assert await worker.call("waits", go=str(go)) == "good"
        [broken] = (await worker.get("/health"))["broken"]
        assert broken["path"] == "waits.py"
        assert broken["kept_revision"] is not None
        assert [line["path"] for line in worker.events_logged("functions.broken")] == ["waits.py"]
        await _write(worker, "waits.py", _waits("'better'"))
        assert await worker.call("waits", go=str(go)) == "better"
        assert (await worker.get("/health"))["broken"] == []


async def test_a_function_that_is_added_can_be_called_at_once(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {}) as worker:
        assert (await worker.submit("waits", input={"go": "/"})).status == 404
        await _write(worker, "waits.py", _waits("'here'"))
        assert await worker.call("waits", go="/") == "here"


async def test_a_gate_that_a_change_takes_away_lets_the_waiting_in(tmp_path: Path) -> None:
    go = tmp_path / "go"
    gated = _waits("'gated'").replace("timeout_s=30", "timeout_s=30, concurrency=1")
    async with browserless_worker(tmp_path, {"waits.py": gated}) as worker:
        running = await worker.start("waits", go=str(go))
        await running.says("status")
        waiting = await worker.start("waits", go=str(go))
        assert waiting.task.state is TaskState.QUEUED
        await _write(worker, "waits.py", _waits("'open'"))
        await waiting.says("status")
        go.touch()
        assert await waiting.result() == "open"
        assert await running.result() == "gated"


async def test_many_changes_under_load_lose_no_task(tmp_path: Path) -> None:
    quick = "\n@function()\nasync def quick(context: Context) -> int:\n    return {}\n"
    async with browserless_worker(tmp_path, {"quick.py": quick.format(0)}, SLOTS=4) as worker:
        results: list[int] = []

        async def load() -> None:
            while len(results) < 400:
                results.append(await worker.call("quick"))

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(load())
            for number in range(1, 6):
                await _write(worker, "quick.py", quick.format(number))
        assert set(results) <= set(range(6))
        assert await worker.call("quick") == 5
