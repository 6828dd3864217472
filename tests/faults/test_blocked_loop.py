"""A coroutine that blocks the event loop: named while it does, and ended when it does not stop."""

from pathlib import Path

from tests.harness.environment import NO_CHROMIUM
from tests.harness.in_process.worker import browserless_worker
from tests.harness.processes.home import Home, home
from tests.harness.processes.worker import running_worker as worker_process
from tests.harness.waiting import until

__all__ = ["home"]

BLOCKS = """
    import time

    @function(timeout_s=60)
    async def blocks(context: Context, seconds: float) -> int:
        time.sleep(seconds)
        return 42
"""


async def test_a_function_that_blocks_for_a_while_is_named_in_log_and_metrics(
    tmp_path: Path,
) -> None:
    async with browserless_worker(tmp_path, {"blocks.py": BLOCKS}, LOOP_STALL_S=1) as worker:
        # Twice the time of a stall; three times it would end the process, which runs the tests.
        assert await worker.call("blocks", seconds=2) == 42
        await until(lambda: bool(worker.events_logged("loop.turns_again")))
        [line] = worker.events_logged("loop.blocked")
        assert line["function"] == "blocks"
        assert line["level"] == "error"
        assert "time.sleep(seconds)" in line["stack"]
        metrics = (await worker.request("GET", "/metrics")).body.decode()
        assert 'slotgrid_loop_stalls_total{function="blocks"} 1.0' in metrics


async def test_a_deadline_that_passed_while_the_loop_was_blocked_holds_all_the_same(
    tmp_path: Path,
) -> None:
    functions = {"blocks.py": BLOCKS.replace("return 42", "await asyncio.sleep(60)")}
    functions["blocks.py"] = functions["blocks.py"].replace("import time", "import asyncio, time")
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("blocks", input={"seconds": 1}, timeout_s=0.2)
        assert answer.status == 504
        assert answer.json["detail"] == "blocks ran longer than its 0.2 s"


def test_a_function_that_blocks_for_good_ends_the_process_and_the_next_start_says_why(
    home: Home,
) -> None:
    (home.functions / "blocks.py").write_text(
        "import time\n"
        "from slotgrid.function import Context, function\n\n"
        "@function(timeout_s=60)\n"
        "async def blocks(context: Context) -> None:\n"
        "    time.sleep(600)\n"
    )
    home.env = {**home.env, "CHROMIUM_PATH": NO_CHROMIUM, "LOOP_STALL_S": "0.5"}
    with worker_process(home, ends=True) as worker:
        caller = worker.submit("blocks")
        assert worker.process.wait() == 70
        assert caller.exception() is not None  # its connection broke; it did not wait for ever
        [told] = worker.process.events("loop.blocked")
        assert told["function"] == "blocks"
        [last] = worker.process.events("loop.blocked_for_good")
        assert last["function"] == "blocks"
        assert "time.sleep(600)" in last["stack"]
    with worker_process(home) as worker:
        [why] = worker.process.events("loop.blocked_until_the_end")
        assert why["function"] == "blocks"
        assert worker.run("hello", name="again").status == 200
