"""`context.call`: another function, here and now, as a step of the same task."""

from pathlib import Path

from tests.harness.in_process.worker import browserless_worker

DOUBLE = """
    @function(input={"type": "object", "properties": {"n": {"type": "integer", "default": 1}},
                     "additionalProperties": False})
    async def double(context: Context, n: int) -> int:
        await context.log(f"doubling {n}")
        return 2 * n
"""
CALLS = """
    from typing import Any

    @function()
    async def calls(context: Context, name: str, given: dict[str, Any] | None = None) -> Any:
        return await context.call(name, given)
"""
FAILS = """
    @function()
    async def fails(context: Context) -> None:
        raise ValueError("inside")
"""


async def test_a_called_function_is_a_step_of_its_callers_task(tmp_path: Path) -> None:
    async with browserless_worker(
        tmp_path, {"double.py": DOUBLE, "calls.py": CALLS}, SLOTS=1
    ) as worker:
        answer = await worker.submit("calls", input={"name": "double", "given": {"n": 21}})
        assert answer.json["result"] == 42
        [step] = (await worker.task(answer.json["id"]))["steps"]
        assert (step["name"], step["function"]) == ("double-1", "double")
        assert (step["status"], step["output"], step["error"]) == ("completed", 42, None)
        assert step["started_at"] <= step["ended_at"]
        assert (step["input"], step["worker"], step["action"]) == ({"n": 21}, "test-worker", None)
        lines = await worker.request("GET", f"/tasks/{answer.json['id']}/steps/double-1/logs")
        assert b"doubling 21" in lines.body


async def test_a_called_functions_input_gets_defaults_and_is_checked(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, {"double.py": DOUBLE, "calls.py": CALLS}) as worker:
        assert await worker.call("calls", name="double") == 2
        problem = await worker.problem("calls", name="double", given={"n": "many"})
        assert problem["type"] == "/problems/function-failed"
        assert "/input/n: 'many' is not of type 'integer'" in problem["detail"]
        assert (await worker.task(problem["task_id"]))["steps"] == []


async def test_a_called_functions_failure_is_its_callers_to_catch(tmp_path: Path) -> None:
    functions = {
        "fails.py": FAILS,
        "calls.py": CALLS,
        "catches.py": """
            @function()
            async def catches(context: Context) -> str:
                try:
                    await context.call("fails")
                except ValueError as error:
                    return f"caught {error}"
                return "nothing to catch"
        """,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("catches")
        assert answer.json["result"] == "caught inside"
        [step] = (await worker.task(answer.json["id"]))["steps"]
        assert (step["status"], step["error"]) == ("failed", "ValueError: inside")
        problem = await worker.problem("calls", name="fails")
        assert problem["detail"] == "calls failed: ValueError: inside"


async def test_a_plain_function_can_be_called(tmp_path: Path) -> None:
    functions = {
        "calls.py": CALLS,
        "plain.py": """
            @function()
            def plain(context: Context, fail: bool = False) -> int:
                if fail:
                    raise ValueError("in the child")
                print("printed there")
                return 42
        """,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("calls", input={"name": "plain"})
        assert answer.json["result"] == 42
        lines = await worker.request("GET", f"/tasks/{answer.json['id']}/steps/plain-1/logs")
        assert b"printed there" in lines.body
        problem = await worker.problem("calls", name="plain", given={"fail": True})
        assert problem["detail"] == "calls failed: ValueError: in the child"


async def test_unknown_names_circles_and_depths_are_errors(tmp_path: Path) -> None:
    functions = {"calls.py": CALLS, "double.py": DOUBLE}
    for depth in range(1, 12):
        functions[f"deep{depth}.py"] = f"""
            @function()
            async def deep(context: Context) -> int:
                return await context.call("deep{depth + 1}") if {depth} < 11 else 11
        """
    functions["there.py"] = """
        @function()
        async def there(context: Context) -> None:
            await context.call("back")
    """
    functions["back.py"] = functions["there.py"].replace('"back"', '"there"')
    async with browserless_worker(tmp_path, functions) as worker:
        unknown = await worker.problem("calls", name="dopple")
        assert "there is no function 'dopple'; did you mean 'double'?" in unknown["detail"]
        circle = await worker.problem("there")
        assert "the calls form a cycle: there -> back -> there" in circle["detail"]
        itself = await worker.problem("calls", name="calls")
        assert "the calls form a cycle: calls -> calls" in itself["detail"]
        assert await worker.call("deep2") == 11
        too_deep = await worker.problem("deep1")
        assert "calls are nested deeper than 10" in too_deep["detail"]


async def test_a_called_function_shares_its_callers_deadline_and_ends_with_it(
    tmp_path: Path,
) -> None:
    functions = {
        "calls.py": CALLS,
        "sleeps.py": """
            import asyncio

            @function(timeout_s=9)
            async def sleeps(context: Context) -> None:
                await asyncio.sleep(60)
        """,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("calls", input={"name": "sleeps"}, timeout_s=0.3)
        assert answer.status == 504
        [step] = (await worker.task(answer.json["task_id"]))["steps"]
        assert step["status"] == "cancelled"


async def test_steps_of_a_function_that_will_not_end_are_cancelled_all_the_same(
    tmp_path: Path,
) -> None:
    stop = tmp_path / "stop"
    functions = {
        "calls.py": CALLS,
        "stubborn.py": f"""
            import asyncio
            from pathlib import Path

            @function()
            async def stubborn(context: Context) -> None:
                while not Path("{stop}").exists():
                    try:
                        await asyncio.sleep(0.05)
                    except asyncio.CancelledError:
                        pass
        """,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("calls", input={"name": "stubborn"}, timeout_s=0.3)
        [step] = (await worker.task(answer.json["task_id"]))["steps"]
        assert step["status"] == "cancelled"
        stop.touch()


async def test_a_called_function_that_needs_a_service_which_is_down_fails_clearly(
    tmp_path: Path,
) -> None:
    functions = {
        "calls.py": CALLS,
        "helper.py": """
            @service("helper")
            class Helper:
                async def start(self) -> None:
                    raise OSError("never")
                async def stop(self) -> None: pass
                async def status(self) -> None: pass
        """,
        "needy.py": """
            @function(requires=("helper",))
            async def needy(context: Context) -> None: pass
        """,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        problem = await worker.problem("calls", name="needy")
        assert "needy needs the service helper, which is down" in problem["detail"]


async def test_functions_called_side_by_side_are_steps_of_their_own(tmp_path: Path) -> None:
    functions = {
        "double.py": DOUBLE,
        "both.py": """
            import asyncio

            @function()
            async def both(context: Context) -> list[int]:
                return await asyncio.gather(
                    context.call("double", {"n": 1}), context.call("double", {"n": 2})
                )
        """,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("both")
        assert answer.json["result"] == [2, 4]
        steps = (await worker.task(answer.json["id"]))["steps"]
        assert [(step["name"], step["output"]) for step in steps] == [
            ("double-1", 2),
            ("double-2", 4),
        ]


async def test_an_input_that_is_not_json_reaches_the_called_function(tmp_path: Path) -> None:
    seen = """
    @function()
    async def seen(context: Context, value: int) -> str:
        return hex(value)
    """
    passes = """
    @function()
    async def passes(context: Context) -> str:
        return await context.call("seen", {"value": 2**70})
    """
    async with browserless_worker(tmp_path, {"seen.py": seen, "passes.py": passes}) as worker:
        answer = await worker.submit("passes")
        assert answer.json.get("result") == hex(2**70), answer.body
        [step] = (await worker.task(answer.json["id"]))["steps"]
        assert (step["status"], step["input"]) == ("completed", None)
