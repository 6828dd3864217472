"""What a plain function can do: take input, speak, return, raise."""

import asyncio
import os

import pytest

from slotgrid.core.errors import FunctionFailed, InvalidInput, OutputInvalid
from tests.worker.plain.conftest import Heard, Plain
from worker.plain.child_process import RemoteError


async def test_it_runs_in_another_process_that_is_kept(plain: Plain) -> None:
    function = await plain.write("import os\n@function\ndef work(context): return os.getpid()")
    first = await plain.run(function)
    assert plain.processes.pids == (first,)
    assert await plain.run(function) == first


async def test_input_is_converted_and_what_is_returned_is_json(plain: Plain) -> None:
    plain.folder.write("_helper.py", "DAY = 1")
    function = await plain.write(
        """
        import datetime
        from dataclasses import dataclass
        from ._helper import DAY

        @dataclass
        class Span:
            days: int

        @function
        def work(context, at: datetime.datetime, span: Span, note: str = "none") -> Span:
            assert at.year == 2030 and note == "none" and DAY == 1
            return Span(span.days + DAY)
        """
    )
    result = await plain.run(function, at="2030-01-01T00:00:00Z", span={"days": 2})
    assert result == {"days": 3}
    with pytest.raises(InvalidInput) as caught:
        await plain.run(function, at="never", span={"days": 2})
    assert caught.value.errors[0].pointer == "/at"


async def test_all_that_it_says_is_heard_in_order(plain: Plain) -> None:
    function = await plain.write(
        """
        import sys, os

        @function
        def work(context):
            context.status("begins")
            context.emit("custom", "text", {"n": [1, None]})
            print("printed", 1)
            context.progress("half", fraction=0.5)
            sys.stderr.write("warned\\nand ")
            context.stream("chunk")
            context.log("logged", stream="stderr")
            artifact = context.save("a.bin", b"\\x00\\xff")
            print("no end of line", end="")
            return artifact.url, context.task_id, context.attempt, context.secrets["API_KEY"], \\
                0 < context.deadline.remaining_s <= 30
        """,
        options="streaming=True, secrets=('API_KEY',)",
    )
    heard = Heard(attempt=2)
    result = await plain.run(function, heard)
    assert result == ["/tasks/task-1/a.bin", "task-1", 2, "sesame", True]
    assert heard.said == [
        ("status", "begins"),
        ("emit", "custom", "text", {"n": [1, None]}),
        ("log", "printed 1", "stdout"),
        ("progress", "half", 0.5),
        ("log", "warned", "stderr"),
        ("stream", "chunk"),
        ("log", "logged", "stderr"),
        ("save", "a.bin", b"\x00\xff", True),
        ("log", "no end of line", "stdout"),
        ("log", "and ", "stderr"),
    ]


async def test_what_subprocesses_print_is_heard_too(plain: Plain) -> None:
    function = await plain.write(
        """
        import subprocess, time

        @function
        def work(context, heard: float = 0):
            subprocess.run(["sh", "-c", "echo out; echo err >&2"], check=True)
            time.sleep(99)
        """
    )
    heard = Heard()
    task = asyncio.create_task(plain.run(function, heard))
    await heard.until(lambda said: len(said) == 2)
    assert sorted(heard.said) == [("log", "err", "stderr"), ("log", "out", "stdout")]
    task.cancel()
    await asyncio.wait({task})


async def test_a_slow_reader_slows_the_function(plain: Plain) -> None:
    function = await plain.write(
        """
        @function
        def work(context):
            for number in range(1000):
                context.stream(str(number))
        """
    )
    gate = asyncio.Event()
    heard = Heard(pace=gate.wait)
    task = asyncio.create_task(plain.run(function, heard))
    await heard.until(lambda said: len(said) == 1)
    # It could have said much more by the time that another function has run to its end.
    other = await plain.write("@function\ndef other(context): return 1", name="other")
    assert await plain.run(other) == 1
    assert len(heard.said) == 1
    gate.set()
    await task
    assert len(heard.said) == 1000


@pytest.mark.parametrize("returned", ["object()", "{(1, 2): 3}", "context"])
async def test_what_is_not_json_is_told(plain: Plain, returned: str) -> None:
    function = await plain.write(f"@function\ndef work(context): return {returned}")
    with pytest.raises(OutputInvalid, match="work returned a value that is not JSON"):
        await plain.run(function)
    assert len(plain.processes.pids) == 1


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("context.emit('done')", "ValueError: `done` is reserved"),
        ("context.emit('x', data=object())", "NotJson: not JSON"),
        ("context.emit('x', data='x' * (129 << 20))", "FrameTooLarge"),
    ],
)
async def test_what_it_cannot_say_is_its_own_error(plain: Plain, call: str, error: str) -> None:
    function = await plain.write(f"@function\ndef work(context):\n    {call}\n    return 'never'")
    with pytest.raises(RemoteError, match=error):
        await plain.run(function)


async def test_an_exception_comes_over_with_its_traceback(plain: Plain) -> None:
    function = await plain.write(
        """
        class Refused(Exception): pass

        @function
        def work(context, why: str):
            if why == "refused":
                raise Refused("come back later")
            if why == "exit":
                raise SystemExit(3)
            raise KeyError(why)
        """,
        options="retries=1, retry_on=Refused",
    )
    with pytest.raises(RemoteError) as caught:
        await plain.run(function, why="refused")
    error = caught.value
    assert str(error) == "Refused: come back later"
    assert (error.type, error.retryable) == ("Refused", True)
    assert 'raise Refused("come back later")' in error.traceback
    with pytest.raises(RemoteError) as caught:
        await plain.run(function, why="other")
    assert (caught.value.type, caught.value.retryable) == ("KeyError", False)
    with pytest.raises(RemoteError, match="SystemExit: 3"):
        await plain.run(function, why="exit")
    assert len(plain.processes.pids) == 1


async def test_an_import_that_fails_in_the_child_only_is_a_clear_error(plain: Plain) -> None:
    function = await plain.write(
        f"""
        import os
        if os.getpid() != {os.getpid()}:
            raise OSError("no licence here")

        @function
        def work(context): ...
        """
    )
    with pytest.raises(FunctionFailed, match="cannot load it: OSError: no licence here"):
        await plain.run(function)
    assert plain.processes.pids == ()


async def test_it_does_not_see_the_keys_of_the_worker(
    plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH_KEY", "the worker's")
    function = await plain.write(
        "import os\n@function\ndef work(context): return os.environ.get('AUTH_KEY')"
    )
    assert await plain.run(function) is None
