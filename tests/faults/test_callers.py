"""Callers who come all at once, who stop reading, who leave: the work stays bounded and counted."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from pathlib import Path

from slotgrid.core.task_states import TaskState
from tests.harness.environment import KEY
from tests.harness.in_process.worker import RunningWorker, browserless_worker, running_worker
from tests.harness.open_files import allow_open_files
from tests.harness.waiting import until

CROWD = 3000
CHUNK = "x" * 64 * 1024
CHUNKS = 1000
QUICK = """
    import asyncio

    @function()
    async def quick(context: Context, number: int) -> int:
        await asyncio.sleep(0)
        return number
"""
POURS = f"""
    @function(timeout_s=60, streaming=True)
    async def pours(context: Context) -> int:
        for _ in range({CHUNKS}):
            await context.stream("x" * {len(CHUNK)})
        return {CHUNKS}
"""


async def test_thousands_of_tasks_at_once_each_get_an_answer_and_the_counts_add_up(
    tmp_path: Path,
) -> None:
    assert allow_open_files(CROWD + 500), f"{CROWD} connections need a higher `ulimit -Hn`"
    async with browserless_worker(
        tmp_path, {"quick.py": QUICK}, SLOTS=4, QUEUE_LIMIT=500, LOG_LEVEL="warning"
    ) as worker:
        most_waiting = 0

        async def watch() -> None:
            nonlocal most_waiting
            while True:
                most_waiting = max(most_waiting, worker.worker.dispatcher.waiting)
                await asyncio.sleep(0.01)

        watching = asyncio.create_task(watch())
        crowd = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.harness.processes.crowd", worker.url, KEY, str(CROWD)),
            stdout=PIPE,
        )
        said, _ = await crowd.communicate()
        watching.cancel()
        answers = json.loads(said)
        statuses = Counter(status for status, _, _ in answers)
        assert statuses.total() == CROWD
        assert statuses.keys() == {200, 503}
        assert most_waiting <= 500
        for number, (status, told, retry_after) in enumerate(answers):
            if status == 200:
                assert told == number
            else:
                assert told == "/problems/queue-full"
                assert 1 <= int(retry_after) <= 60
        metrics = (await worker.request("GET", "/metrics")).body.decode()
        assert _sum(metrics, 'slotgrid_tasks_total{.*outcome="completed"}') == statuses[200]
        assert _sum(metrics, 'slotgrid_refused_total{reason="queue-full"}') == statuses[503]
        assert _sum(metrics, "slotgrid_tasks_total{.*}") == CROWD
        await worker.idle()
        assert await worker.call("quick", number=7) == 7


def _sum(metrics: str, name: str) -> float:
    return sum(float(value) for value in re.findall(f"^{name} (.+)$", metrics, re.MULTILINE))


class SlowReader:
    """A stream whose caller decides when to read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def first_line(self) -> bytes:
        return await self._reader.readline()

    async def rest(self) -> tuple[int, bytes]:
        """How many bytes came until the end, and the last of them."""
        received, last = 0, b""
        while piece := await self._reader.read(1024 * 1024):
            received += len(piece)
            last = (last + piece)[-2000:]
        self._writer.close()
        return received, last

    def leave(self) -> None:
        self._writer.transport.abort()


async def _open(worker: RunningWorker, function: str) -> SlowReader:
    body = json.dumps({"function": function, "mode": "stream"}).encode()
    port = int(worker.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(
        b"POST /task HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nAuthorization: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (KEY.encode(), len(body), body)
    )
    slow = SlowReader(reader, writer)
    assert (await slow.first_line()).startswith(b"HTTP/1.1 200")
    return slow


async def _stopped_talking(worker: RunningWorker) -> int:
    """How many events the one running task has said, once it says no more."""
    [task] = worker.worker.supervisor.live
    said = -1
    async with asyncio.timeout(30):
        while said != task.events.last_id or not said:
            said = task.events.last_id
            await asyncio.sleep(0.3)
    return said


async def test_a_reader_who_stops_pauses_the_own_task_and_no_other(tmp_path: Path) -> None:
    functions = {"pours.py": POURS, "quick.py": QUICK}
    async with browserless_worker(tmp_path, functions) as worker:
        reader = await _open(worker, "pours")
        said = await _stopped_talking(worker)
        assert 0 < said < CHUNKS
        [task] = worker.worker.supervisor.live
        assert task.state is TaskState.RUNNING
        for number in range(20):
            assert await worker.call("quick", number=number) == number
        assert task.events.last_id == said

        received, last = await reader.rest()
        assert received > CHUNKS * len(CHUNK)
        assert b"event: done" in last
        await worker.idle()


async def test_a_reader_who_stops_and_then_leaves_frees_the_slot(tmp_path: Path) -> None:
    functions = {"pours.py": POURS, "quick.py": QUICK}
    async with browserless_worker(tmp_path, functions, SLOTS=1) as worker:
        reader = await _open(worker, "pours")
        await _stopped_talking(worker)
        [task] = worker.worker.supervisor.live
        reader.leave()
        await until(lambda: task.state is TaskState.CANCELLED)
        assert await worker.call("quick", number=1) == 1


async def test_a_reader_who_stops_does_not_outlive_the_tasks_deadline(tmp_path: Path) -> None:
    functions = {"pours.py": POURS.replace("timeout_s=60", "timeout_s=2"), "quick.py": QUICK}
    async with browserless_worker(tmp_path, functions, SLOTS=1) as worker:
        reader = await _open(worker, "pours")
        await _stopped_talking(worker)
        await worker.idle()
        [task] = (await worker.get("/tasks", function="pours"))["tasks"]
        assert task["status"] == "failed"
        _, last = await reader.rest()
        assert b"event: error" in last
        assert b"deadline-exceeded" in last


async def test_callers_who_leave_while_their_page_opens_leave_no_context(tmp_path: Path) -> None:
    functions = {
        "opens.py": """
            @function(timeout_s=30, context_options={"locale": "de-DE"})
            async def opens(context: Context) -> str:
                page = await context.page()
                await page.set_content("<title>A title</title>")
                return await page.title()
        """
    }
    async with running_worker(tmp_path, functions, SLOTS=4, BROWSERS=1) as worker:
        for delay_s in (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1):
            leaving = [await worker.start("opens") for _ in range(4)]
            await asyncio.sleep(delay_s)
            for each in leaving:
                await each.hang_up()
            await worker.idle()
        assert await worker.call("opens") == "A title"


async def test_nothing_disagrees_at_any_moment_of_a_busy_worker(tmp_path: Path) -> None:
    functions = {
        "quick.py": QUICK,
        "opens.py": """
            @function(timeout_s=30)
            async def opens(context: Context, number: int) -> int:
                page = await context.page()
                return await page.evaluate("number => number", number)
        """,
    }
    async with running_worker(tmp_path, functions, SLOTS=4, BROWSERS=1) as worker:
        seen: Counter[int] = Counter()

        async def watch() -> None:
            while True:
                seen[worker.worker.health.mismatch()] += 1
                await asyncio.sleep(0.001)  # each turn of the loop would starve the browser

        watching = asyncio.create_task(watch())
        for name in ("quick", "opens"):
            await asyncio.gather(*(worker.call(name, number=number) for number in range(24)))
        watching.cancel()
        assert seen.keys() == {0}, seen
