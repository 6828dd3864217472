"""Plain functions that never end, crash, and the processes that they leave."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from slotgrid.core.errors import FunctionFailed
from tests.worker.plain.conftest import Heard, Plain, alive, until_dead
from worker.plain.child_processes import PlainProcesses

BUSY = """
import os, subprocess, time

@function
def work(context):
    below = subprocess.Popen(["sleep", "1000"])
    context.emit("pids", data=[os.getpid(), below.pid])
    {0}
"""


def pids_of(heard: Heard) -> list[int]:
    pids: list[int] = heard.said[0][3]
    return pids


@pytest.mark.parametrize(
    "work",
    [
        "while True: pass",
        "time.sleep(1000)",
        "sum(range(10 ** 15))",  # one C call that never looks at signals
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 60)); time.sleep(1000)",
    ],
)
async def test_a_cancel_kills_it_and_all_that_it_started(plain: Plain, work: str) -> None:
    function = await plain.write(BUSY.format(work))
    heard = Heard()
    task = asyncio.create_task(plain.run(function, heard))
    await heard.until(lambda said: len(said) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_dead(*pids_of(heard))
    assert plain.processes.pids == ()


@pytest.mark.parametrize(
    ("crash", "told"),
    [
        ("os._exit(3)", "its process exited with status 3 while it ran"),
        ("import ctypes; ctypes.string_at(0)", "its process was ended by SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "ended by SIGKILL while it ran, perhaps out of memory"),
        ("os.abort()", "its process was ended by SIGABRT"),
    ],
)
async def test_a_crash_is_told_clearly_and_the_next_task_gets_a_new_process(
    plain: Plain, crash: str, told: str
) -> None:
    function = await plain.write(
        f"import os\n@function\ndef work(context, crash: bool):\n"
        f"    if crash:\n        {crash}\n    return os.getpid()"
    )
    first = await plain.run(function, crash=False)
    heard = Heard()
    with pytest.raises(FunctionFailed, match=told):
        await plain.run(function, heard, crash=True)
    if "SEGV" in told:
        assert any("Segmentation fault" in words[1] for words in heard.said), heard.said
    second = await plain.run(function, crash=False)
    assert second != first
    assert plain.processes.pids == (second,)


async def test_old_code_ends_as_it_began_and_its_process_goes(plain: Plain) -> None:
    text = """
        import os

        @function
        def work(context, wait: bool):
            if wait:
                context.status("waits")
            from ._late import WORD
            return "{0}", WORD, os.getpid()
        """
    plain.folder.write("_late.py", "WORD = 'old'")
    old = await plain.write(text.format("old"))
    gate = asyncio.Event()

    async def pace() -> None:
        await gate.wait()

    heard = Heard(pace=pace)
    task = asyncio.create_task(plain.run(old, heard, wait=True))
    await heard.until(bool)
    plain.folder.write("_late.py", "WORD = 'new'")
    new = await plain.write(text.format("new"))
    *words, new_pid = await plain.run(new, wait=False)
    assert words == ["new", "new"]
    gate.set()
    *words, old_pid = await task
    assert words == ["old", "old"]
    await until_dead(old_pid)
    assert plain.processes.pids == (new_pid,)


async def test_an_idle_process_makes_room_for_another_function(plain: Plain) -> None:
    pids = []
    for name in ("a", "b", "c"):
        function = await plain.write(
            "import os\n@function\ndef work(context): return os.getpid()", name=name
        )
        pids.append(await plain.run(function))
    assert set(plain.processes.pids) == set(pids[1:])
    await until_dead(pids[0])


async def test_no_more_run_at_once_than_the_limit(plain: Plain) -> None:
    function = await plain.write(
        "import os\n@function\ndef work(context):\n    context.status('on')\n    return os.getpid()"
    )
    pids = await asyncio.gather(*(plain.run(function) for _ in range(8)))
    assert len(set(pids)) == 2


async def test_an_idle_process_ends_after_its_time(plain: Plain) -> None:
    function = await plain.write("import os\n@function\ndef work(context): return os.getpid()")
    processes = PlainProcesses(limit=1, idle_s=0.05)
    context = Heard()
    async with processes.running():
        pid = await processes.run(function, context, {})  # type: ignore[arg-type]
        await until_dead(pid)
        assert processes.pids == ()


async def test_a_cancel_while_the_process_starts_leaves_nothing(plain: Plain) -> None:
    function = await plain.write("@function\ndef work(context): ...")
    before = {child.pid for child in psutil.Process().children()}
    for wait_s in (0, 0.005, 0.02, 0.05):
        task = asyncio.create_task(plain.run(function))
        await asyncio.sleep(wait_s)
        task.cancel()
        await asyncio.wait({task})
    left = {child.pid for child in psutil.Process().children()} - before - set(plain.processes.pids)
    await until_dead(*left)


async def test_the_child_does_not_outlive_a_worker_that_is_killed(
    plain: Plain, tmp_path: Path
) -> None:
    # Busy in one C call, and with no word under way that would tell it of the end.
    await plain.write(
        "import os\n@function\ndef work(context, mark: str):\n"
        "    open(mark + '~', 'x').write(str(os.getpid()))\n    os.rename(mark + '~', mark)\n"
        "    sum(range(10 ** 15))"
    )
    mark = tmp_path / "pid"
    script = tmp_path / "small_worker.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio, sys
            from pathlib import Path
            from slotgrid.core.deadlines import Deadline
            from worker.plain.child_processes import PlainProcesses
            from tests.worker.registry.registries import registry_of

            class Context:
                task_id, attempt, deadline, secrets = "t", 1, Deadline.after(60), {}

            async def main():
                processes = PlainProcesses(limit=1)
                registry = registry_of(Path(sys.argv[1]), plain=processes)
                await registry.load()
                async with processes.running(), asyncio.timeout(60):
                    await registry.runnable("work").run(Context(), {"mark": sys.argv[2]})

            asyncio.run(main())
            """
        )
    )
    with subprocess.Popen(
        [sys.executable, str(script), str(plain.folder.path), str(mark)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ) as small_worker:
        try:
            async with asyncio.timeout(20):
                while not mark.exists():  # noqa: ASYNC110  the other process can set no event here
                    await asyncio.sleep(0.02)
            pid = int(mark.read_text())
            assert alive(pid)
        finally:
            small_worker.send_signal(signal.SIGKILL)
    await until_dead(pid)
