"""What a function says, saves and returns, and what becomes of what cannot be shown."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.harness.in_process.worker import browserless_worker
from tests.worker.talks import talks


async def test_everything_said_arrives_in_order_and_ends_in_one_done(tmp_path: Path) -> None:
    body = """
await context.status("begun")
await context.progress("half", fraction=0.5)
await context.progress("far too much", fraction=7)
await context.stream("a piece")
await context.log("a line", stream="stderr")
await context.emit("found", data=Point(1))
return "over"
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        events = await worker.stream("talks")
        assert events[:-1] == [
            ("status", {"text": "begun", "data": None}),
            ("progress", {"text": "half", "data": {"fraction": 0.5}}),
            ("progress", {"text": "far too much", "data": {"fraction": 1.0}}),
            ("chunk", {"data": "a piece"}),
            ("log", {"text": "a line", "data": {"stream": "stderr"}}),
            ("found", {"text": None, "data": {"x": 1, "y": 2}}),
        ]
        kind, done = events[-1]
        assert (kind, done["result"], done["success"]) == ("done", "over", True)
        assert "a line" in await worker.log_of(done["id"])


async def test_kinds_that_mean_something_else_are_refused(tmp_path: Path) -> None:
    body = """
refused = []
for kind in ("done", "error", "missed", "chunk", "", "Loud", "a b", "a" * 65, "x\\n"):
    try:
        await context.emit(kind)
    except ValueError as error:
        refused.append(str(error))
return refused
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        [(kind, done)] = await worker.stream("talks")
        assert kind == "done"
        assert len(done["result"]) == 9


async def test_data_that_is_not_json_is_the_authors_to_catch(tmp_path: Path) -> None:
    body = """
try:
    await context.emit("note", data=object())
except ValueError as error:
    return str(error)
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        assert "not JSON" in await worker.call("talks")


async def test_results_of_every_kind_that_json_can_hold(tmp_path: Path) -> None:
    body = """
return [Point(1), date(2026, 1, 2), enum.Enum("Size", {"BIG": "big"}).BIG, (1, 2), {"a": None}]
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        result = await worker.call("talks")
        assert result == [{"x": 1, "y": 2}, "2026-01-02", "big", [1, 2], {"a": None}]


async def test_a_result_that_is_not_json_is_a_fault_of_thetalks(tmp_path: Path) -> None:
    for returned in ("object()", "Broken()", "lambda: 1", "{(1, 2): 3}", "10 ** 400"):
        body = f"return {returned}"
        async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
            problem = await worker.problem("talks")
            assert problem["type"] == "/problems/output-invalid", returned
            assert problem["detail"].startswith("talks returned a value that is not JSON"), returned


async def test_a_result_that_contains_itself_is_a_fault_of_thetalks(tmp_path: Path) -> None:
    body = "loop = []\nloop.append(loop)\nreturn loop"
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        assert (await worker.problem("talks"))["type"] == "/problems/output-invalid"


async def test_a_result_is_held_against_the_output_schema(tmp_path: Path) -> None:
    body = "return {'x': 'one', 'y': 2}"
    async with browserless_worker(tmp_path, {"talks.py": talks(body, returns="Point")}) as worker:
        problem = await worker.problem("talks")
        assert problem["type"] == "/problems/output-invalid"
        assert problem["errors"] == [{"pointer": "/x", "message": "'one' is not of type 'integer'"}]


async def test_half_a_surrogate_pair_is_replaced_wherever_it_is_said(tmp_path: Path) -> None:
    body = """
half = "a\\ud800b"
await context.status(half)
await context.log(half)
await context.stream(half)
await context.save("page.txt", half)
return {half: [half]}
"""
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        events = await worker.stream("talks")
        assert events[0] == ("status", {"text": "a\ufffdb", "data": None})
        kind, done = events[-1]
        assert kind == "done"
        assert done["result"] == {"a\ufffdb": ["a\ufffdb"]}
        assert "a\ufffdb" in await worker.log_of(done["id"])
        assert (await worker.task(done["id"]))["result"] == done["result"]
        assert await worker.artifact(done["id"], "page.txt") == "a\ufffdb".encode()


async def test_half_a_surrogate_pair_is_replaced_in_a_plain_function_too(tmp_path: Path) -> None:
    functions = {
        "plain.py": """
            @function(streaming=True)
            def plain(context: Context, fail: bool = False) -> str:
                half = "a\\ud800b"
                context.status(half)
                print(half)
                context.save("page.txt", half)
                if fail:
                    raise ValueError(half)
                return half
        """
    }
    async with browserless_worker(tmp_path, functions) as worker:
        events = await worker.stream("plain")
        assert events[0] == ("status", {"text": "a\ufffdb", "data": None})
        assert events[-1][1]["result"] == "a\ufffdb"
        assert "a\ufffdb" in await worker.log_of(events[-1][1]["id"])
        problem = await worker.problem("plain", fail=True)
        assert problem["detail"] == "plain failed: ValueError: a\ufffdb"


async def test_half_a_surrogate_pair_in_an_error_is_replaced(tmp_path: Path) -> None:
    body = "raise ValueError('a\\ud800b')"
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        problem = await worker.problem("talks")
        assert problem["detail"] == "talks failed: ValueError: a\ufffdb"
        assert (await worker.task(problem["task_id"]))["error"]["detail"] == problem["detail"]


async def test_a_large_result_arrives_whole(tmp_path: Path) -> None:
    body = "return ['x' * 1000] * 20_000"
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        result = await worker.call("talks")
        assert (len(result), len(result[0])) == (20_000, 1000)
        events = await worker.stream("talks")
        assert len(events[-1][1]["result"]) == 20_000


async def test_an_error_with_a_book_for_a_message_is_cut(tmp_path: Path) -> None:
    body = "raise ValueError('x' * 10_000_000)"
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        problem = await worker.problem("talks")
        assert problem["detail"].startswith("talks failed: ValueError: xxx")
        assert len(problem["detail"]) < 1000
        log = await worker.log_of(problem["task_id"])
        assert len(log) < 100_000
        assert "raise ValueError" in log


async def test_a_function_cannot_end_the_process(tmp_path: Path) -> None:
    for body, words in (
        ("sys.exit(3)", "it tried to end the process (SystemExit)"),
        ("raise KeyboardInterrupt", "it tried to end the process (KeyboardInterrupt)"),
        ("raise asyncio.CancelledError", "the function cancelled itself"),
        (
            "asyncio.current_task().cancel()\nawait asyncio.sleep(9)",
            "the function cancelled itself",
        ),
        ("class Own(BaseException): pass\nraise Own('mine')", "Own: mine"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise StopIteration(1)", "coroutine raised StopIteration"),
    ):
        async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
            problem = await worker.problem("talks")
            assert problem["type"] == "/problems/function-failed", body
            assert words in problem["detail"], body


async def test_an_error_that_cannot_be_printed_is_still_told(tmp_path: Path) -> None:
    body = "class Mute(Exception):\n    def __str__(self): raise ValueError('mute')\nraise Mute"
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        problem = await worker.problem("talks")
        assert problem["type"] == "/problems/function-failed"
        assert "Mute" in problem["detail"]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ('open("/srv/node/rates.csv")', "No such file or directory: 'rates.csv'"),
        ('open("rates.csv")', "No such file or directory: 'rates.csv'"),
        ('import os; os.link("/srv/a b", "/srv/c")', "No such file or directory: 'a b' -> 'c'"),
        (
            "from playwright.async_api import Error; "
            "raise Error(\"ENOENT: no such file, copyfile '/tmp/a/b' -> '/srv/c'\")",
            "ENOENT: no such file, copyfile 'b' -> 'c'",
        ),
        (
            "from playwright.async_api import Error; raise Error('no xpath=/html/body/div')",
            "no xpath=/html/body/div",
        ),
    ],
)
async def test_an_error_names_a_file_without_the_node_s_folders(
    tmp_path: Path, statement: str, told: str
) -> None:
    async with browserless_worker(tmp_path, {"talks.py": talks(statement)}) as worker:
        detail = (await worker.problem("talks"))["detail"]
        assert detail.endswith(told)


async def test_a_traceback_begins_where_the_authors_code_does(tmp_path: Path) -> None:
    functions = {
        "_helper.py": """
            def fail() -> None:
                raise ValueError("from the helper")
        """,
        "outer.py": """
            from . import _helper

            @function()
            async def outer(context: Context) -> None:
                try:
                    await context.call("inner")
                except Exception as cause:
                    raise RuntimeError("outer gave up") from cause
        """,
        "inner.py": """
            from ._helper import fail

            @function()
            async def inner(context: Context) -> None:
                fail()
        """,
        "plain.py": """
            from ._helper import fail

            @function()
            def plain(context: Context) -> None:
                fail()
        """,
    }
    async with browserless_worker(tmp_path, functions) as worker:
        for name in ("outer", "plain"):
            problem = await worker.problem(name)
            log = await worker.log_of(problem["task_id"])
            assert "ValueError: from the helper" in log
            files = [Path(name) for name in re.findall(r'File "([^"]+)"', log)]
            assert files
            assert {file.parent for file in files} == {worker.folder.path}, log


async def test_a_function_that_only_talks_lets_others_run(tmp_path: Path) -> None:
    functions = {
        "talks.py": talks("while True:\n    await context.status('on and on')"),
        "quick.py": "\n@function()\nasync def quick(context: Context) -> int:\n    return 42\n",
    }
    async with browserless_worker(tmp_path, functions) as worker:
        running = await worker.start("talks")
        await running.says("status")
        assert await worker.call("quick") == 42
        task = await worker.request("POST", f"/tasks/{running.task.id}/cancel")
        assert task.json["status"] == "cancelled"
        # What it said is bounded, and who asks late is told that something is missing.
        events = await worker.request("GET", f"/tasks/{running.task.id}/events")
        assert events.body.startswith(b"event: missed")
        assert events.body.count(b"on and on") <= 1000


async def test_tasks_that_talk_in_a_wrong_way_are_told_apart_from_those_that_fail(
    tmp_path: Path,
) -> None:
    body = "await context.status(text=object())"
    async with browserless_worker(tmp_path, {"talks.py": talks(body)}) as worker:
        problem: dict[str, Any] = await worker.problem("talks")
        assert problem["type"] == "/problems/function-failed"
        assert "NotJson" in problem["detail"]
