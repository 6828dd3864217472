"""What coroutine functions print and log is in their task's log, once, and not in the node's."""

import json
import sys
from pathlib import Path

import pytest

from tests.harness.in_process.worker import RunningWorker, browserless_worker, running_worker

TOKEN = "staple-of-the-environment"

PRINTS = """
    import asyncio, logging, sys, threading
    import structlog

    log = structlog.get_logger()
    standard = logging.getLogger("shop.orders")

    @function(secrets=("SITE_TOKEN",), streaming=True)
    async def prints(context: Context, how: str = "all") -> str:
        token = context.secrets["SITE_TOKEN"]
        if how == "all":
            print("printed", token)
            print("to stderr", file=sys.stderr)
            sys.stdout.write("a part, ")
            await asyncio.sleep(0)
            sys.stdout.write("and the rest\\n")
            sys.stdout.buffer.write("bytes ж \\xff".encode("latin-1", "ignore") + b"\\xff\\n")
            standard.warning("orders %s of %s", 7, token)
            standard.info("too many %s")
            log.warning("shop.slow", seconds=3, token=token)
            try:
                1 / 0
            except ZeroDivisionError:
                standard.exception("cannot divide")
                log.exception("shop.divided")
            await asyncio.to_thread(print, "from a thread")
            await asyncio.create_task(later())
            await context.call("called")
            print("no line end", end="")
        elif how == "huge":
            print("x" * 200_000_000)
            print("y\\n" * 1_000_000, end="")
            print("z" * 16_330 + token)
        elif how == "endless":
            stop = threading.Event()

            def endless():
                while not stop.is_set():
                    print("again")

            thread = asyncio.create_task(asyncio.to_thread(endless))
            await asyncio.sleep(1)
            stop.set()
            await thread
        return "done"

    async def later():
        print("from an asyncio task")
"""
CALLED = """
    @function()
    async def called(context: Context) -> None:
        print("from the called")
        print("its part", end="")
"""
FUNCTIONS = {"prints.py": PRINTS, "called.py": CALLED}


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_TOKEN", TOKEN)


async def _lines(worker: RunningWorker, task_id: str) -> list[tuple[str, str, str]]:
    answer = await worker.request("GET", f"/tasks/{task_id}/logs")
    lines = [json.loads(line) for line in answer.body.splitlines()]
    lines = [line for line in lines if line["step"] != "_node"]
    return [(line["step"], line["stream"], line["line"]) for line in lines]


async def test_all_that_a_coroutine_prints_or_logs_is_in_its_log_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS) as worker:
        answer = await worker.submit("prints")
        assert answer.status == 200, answer.body
        lines = await _lines(worker, answer.json["id"])
        texts = [line for _, _, line in lines]
        for expected in [
            ("main", "stdout", "printed [redacted]"),
            ("main", "stderr", "to stderr"),
            ("main", "stdout", "a part, and the rest"),
            ("main", "stdout", "bytes  \ufffd\ufffd"),
            ("main", "stderr", "WARNING shop.orders: orders 7 of [redacted]"),
            ("main", "stderr", "INFO shop.orders: too many %s"),
            ("main", "stderr", "WARNING shop.slow seconds=3 token='[redacted]'"),
            ("main", "stderr", "ERROR shop.orders: cannot divide"),
            ("main", "stderr", "ERROR shop.divided"),
            ("main", "stdout", "from a thread"),
            ("main", "stdout", "from an asyncio task"),
            ("called-1", "stdout", "from the called"),
            ("called-1", "stdout", "its part"),
            ("main", "stdout", "no line end"),
        ]:
            assert lines.count(expected) == 1, (expected, lines)
        assert texts.count("ZeroDivisionError: division by zero") == 2
        shown = capsys.readouterr()
        node = shown.out + shown.err + str(worker.logs.entries())
        for text in ("printed", "to stderr", "orders 7", "shop.slow", "called", "a thread"):
            assert text not in node.replace("functions", ""), text
        assert TOKEN not in node + str(lines)
        print("outside of tasks")
        assert capsys.readouterr().out == "outside of tasks\n"
    assert type(sys.stdout).__module__ != "slotgrid.runtime.task_output"


async def test_printed_lines_are_events_of_a_stream(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS) as worker:
        events = await worker.stream("prints")
        said = [payload["text"] for kind, payload in events if kind == "log"]
        assert "printed [redacted]" in said
        assert said[-1] == "no line end"


async def test_what_is_printed_without_end_or_measure_is_bounded(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS) as worker:
        answer = await worker.submit("prints", input={"how": "huge"})
        assert answer.status == 200, answer.body
        answer_ = await worker.request("GET", f"/tasks/{answer.json['id']}/logs")
        assert len(answer_.body) < 4_000_000
        texts = [line for _, _, line in await _lines(worker, answer.json["id"])]
        assert texts[-2] == "y"
        assert "staple" not in texts[-1]
        answer = await worker.submit("prints", input={"how": "endless"})
        assert answer.status == 200, answer.body
        lines = await _lines(worker, answer.json["id"])
        assert {text for _, _, text in lines if "left out" not in text} == {"again"}
        assert len(lines) <= 2001


async def test_what_is_printed_after_the_end_is_redacted_and_bounded(tmp_path: Path) -> None:
    functions = {
        "leaves.py": """
            import asyncio, threading

            @function(secrets=("SITE_TOKEN",))
            async def leaves(context: Context, password: Secret) -> None:
                token = context.secrets["SITE_TOKEN"]
                asyncio.create_task(late(context.secrets["SITE_TOKEN"])).set_name("late")

            async def late(token):
                await asyncio.sleep(0.05)
                for number in range(1000):
                    print(number)
        """
    }
    async with browserless_worker(tmp_path, functions) as worker:
        assert await worker.call("leaves", password="hunter2-hunter2") is None
        while not worker.events_logged("function.late_output"):
            await worker.get("/health")
        await worker.get("/health")
        assert len(worker.events_logged("function.late_output")) == 100


async def test_a_listener_prints_to_its_task(tmp_path: Path) -> None:
    functions = {
        "listens.py": """
            @function(timeout_s=30)
            async def listens(context: Context) -> None:
                page = await context.page()
                page.on("console", lambda message: print("console:", message.text))

                async def answers(route):
                    print("routed")
                    await route.fulfill(body="<p>hi")

                await page.route("**/*", answers)
                await page.goto("http://shop.example/")
                await page.evaluate("console.log('hello')")
                await page.wait_for_timeout(200)
        """
    }
    async with running_worker(tmp_path, functions) as worker:
        answer = await worker.submit("listens")
        assert answer.status == 200, answer.body
        texts = [line for _, _, line in await _lines(worker, answer.json["id"])]
        assert "console: hello" in texts
        assert "routed" in texts


async def test_a_long_line_says_how_much_is_cut(tmp_path: Path) -> None:
    functions = {
        "long.py": """
            @function()
            async def long(context: Context) -> None:
                await context.log("x" * 20_000)
                print("y" * 20_000)
        """
    }
    async with browserless_worker(tmp_path, functions) as worker:
        answer = await worker.submit("long")
        logged, printed = [text for _, _, text in await _lines(worker, answer.json["id"])]
        for text in (logged, printed):
            kept, _, note = text.partition(" … ")
            assert note == f"({20_000 - len(kept)} more characters)"
            assert len(kept) > 16_000
