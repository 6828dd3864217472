import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import orjson
import pytest
import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars

from slotgrid.runtime.log_lines import MAX_LINE_BYTES
from slotgrid.runtime.log_queue import LineQueue
from slotgrid.runtime.logs import LogRing, configure_logs, flush_logs
from slotgrid.runtime.secrets import HIDDEN, Redactor
from slotgrid.runtime.setting_choices import LogFormat, LogLevel

log = structlog.get_logger()


@dataclass
class RunningLogs:
    """Logs that go to a file."""

    ring: LogRing
    file: Path

    def lines(self) -> list[dict[str, Any]]:
        flush_logs()
        return [orjson.loads(line) for line in self.file.read_bytes().splitlines()]

    def last(self) -> dict[str, Any]:
        return self.lines()[-1]


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[TextIO]:
    with (tmp_path / "log").open("w") as file:
        yield file


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(["key-of-the-node"])


def logs_to(
    stream: TextIO,
    redactor: Redactor,
    log_format: LogFormat = LogFormat.JSON,
    level: LogLevel = LogLevel.INFO,
) -> AbstractContextManager[LogRing]:
    return configure_logs(
        level=level, log_format=log_format, ring_size=5, stream=stream, redactor=redactor
    )


@pytest.fixture
def logs(stream: TextIO, redactor: Redactor) -> Iterator[RunningLogs]:
    with logs_to(stream, redactor) as ring:
        yield RunningLogs(ring, Path(stream.name))


def fail(error: Exception) -> None:
    raise error


def test_a_line_is_json_with_time_level_and_event_first(logs: RunningLogs) -> None:
    log.info("task.finished", seconds=0.5, state="completed")
    line = logs.last()
    assert list(line) == ["ts", "level", "event", "seconds", "state"]
    assert line["ts"].endswith("Z")
    assert (line["level"], line["event"], line["seconds"]) == ("info", "task.finished", 0.5)


def test_what_is_bound_for_a_task_is_on_each_of_its_lines(logs: RunningLogs) -> None:
    with bound_contextvars(task_id="t1", function="hello", slot=2):
        log.info("one")
        log.warning("two")
    log.info("three")
    one, two, three = logs.lines()
    assert one["task_id"] == two["task_id"] == "t1"
    assert "task_id" not in three


async def test_fields_of_a_task_are_on_its_lines_and_on_those_of_tasks_that_it_starts(
    logs: RunningLogs,
) -> None:
    async def child() -> None:
        log.info("child", slot=3)
        logging.getLogger("library").warning("child")

    async def parent() -> None:
        bind_contextvars(task_id="t1")
        bind_contextvars(slot=2)
        await asyncio.create_task(child())
        log.info("parent")

    await asyncio.create_task(parent())
    log.info("other")
    bound = [(line.get("task_id"), line.get("slot")) for line in logs.ring.entries()]
    assert bound == [("t1", 3), ("t1", 2), ("t1", 2), (None, None)]


def test_lines_of_libraries_keep_their_place_among_the_others(logs: RunningLogs) -> None:
    log.info("first")
    logging.getLogger("library").info("second")
    log.warning("third")
    assert [line["event"] for line in logs.lines()] == ["first", "second", "third"]


async def test_a_line_has_the_values_and_secrets_of_when_it_was_logged(
    logs: RunningLogs, redactor: Redactor
) -> None:
    said: list[str] = ["before"]
    with redactor.scope("hunter-22"):
        bind_contextvars(task_id="t1")
        log.info("scalars", password="x", text="it is hunter-22")
        log.info("a list", said=said)
    bind_contextvars(task_id="t2")
    said.append("after")
    log.info("waits")
    listed = logs.ring.entries()
    assert listed == logs.lines()
    assert [line["task_id"] for line in listed] == ["t1", "t1", "t2"]
    assert (listed[0]["password"], listed[0]["text"]) == (HIDDEN, f"it is {HIDDEN}")
    assert listed[1]["said"] == ["before"]


def test_lines_below_the_level_are_not_written(logs: RunningLogs) -> None:
    log.debug("quiet")
    log.info("loud")
    assert [line["event"] for line in logs.lines()] == ["loud"]


def test_an_exception_is_one_line_with_its_traceback(logs: RunningLogs) -> None:
    try:
        fail(LookupError("no such thing"))
    except LookupError as error:
        log.exception("task.failed")
        log.warning("task.retried", exc_info=error)
    for line in logs.lines():
        assert line["exception"].startswith("Traceback (most recent call last)")
        assert line["exception"].endswith("LookupError: no such thing")


def test_standard_logging_takes_the_same_way(logs: RunningLogs) -> None:
    library = logging.getLogger("aiohttp.server")
    with bound_contextvars(task_id="t1"):
        library.error("Error handling %s", "request", exc_info=ValueError("odd"))
    library.debug("not written")
    (line,) = logs.lines()
    assert (line["event"], line["level"]) == ("Error handling request", "error")
    assert (line["logger"], line["task_id"]) == ("aiohttp.server", "t1")
    assert line["exception"] == "ValueError: odd"


def test_a_message_whose_arguments_do_not_fit_is_written_all_the_same(
    logs: RunningLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without pytest's own handlers, which raise at such a message.
    root = logging.getLogger()
    ours = [handler for handler in root.handlers if isinstance(handler, LineQueue)]
    monkeypatch.setattr(root, "handlers", ours)
    logging.getLogger("odd").warning("%d apples", "many")
    assert logs.last()["event"] == "%d apples"


def test_the_ring_keeps_the_last_lines_by_level(logs: RunningLogs) -> None:
    for number in range(4):
        log.info("fine", number=number)
    log.error("bad", number=4)
    log.info("fine", number=5)
    assert [entry["number"] for entry in logs.ring.entries()] == [1, 2, 3, 4, 5]
    assert [entry["number"] for entry in logs.ring.entries(limit=2)] == [4, 5]
    assert [entry["event"] for entry in logs.ring.entries(LogLevel.WARNING)] == ["bad"]


def test_secrets_are_hidden_in_fields_messages_and_tracebacks(logs: RunningLogs) -> None:
    try:
        fail(ValueError("rejected: key-of-the-node"))
    except ValueError:
        log.exception("auth.failed", url="http://x/?k=key-of-the-node")
    log.info("request", headers={"Authorization": "Bearer abc", "Accept": "*/*"}, token="t")
    logging.getLogger("lib").warning("sent key-of-the-node")
    assert "key-of-the-node" not in Path(logs.file).read_text()
    failed, request, library = logs.lines()
    assert failed["url"] == "http://x/?k=[redacted]"
    assert failed["exception"].endswith("ValueError: rejected: [redacted]")
    assert request["headers"] == {"Authorization": "[redacted]", "Accept": "*/*"}
    assert request["token"] == "[redacted]"
    assert library["event"] == "sent [redacted]"
    assert logs.ring.entries() == logs.lines()


def test_secrets_of_a_task_are_hidden_as_long_as_it_lives(
    logs: RunningLogs, redactor: Redactor
) -> None:
    with redactor.scope({"login": {"pin": "hunter2-hunter2"}}):
        log.info("page.filled", text="typed hunter2-hunter2")
    log.info("page.filled", text="typed hunter2-hunter2")
    during, after = logs.lines()
    assert during["text"] == "typed [redacted]"
    assert after["text"] == "typed hunter2-hunter2"


@dataclass
class Odd:
    inner: object = None

    def __str__(self) -> str:
        raise RuntimeError("no text for you")


def test_whatever_is_logged_gives_a_line(logs: RunningLogs) -> None:
    circular: dict[str, object] = {}
    circular["self"] = circular
    log.info("odd", value=Odd())
    log.info("odd", value=circular)
    log.info("odd", value="lone \ud800 surrogate", number=2**80)
    log.info("odd", value=b"\xff bytes", numbers={1: {2, 3}}, path=Path("/tmp"))
    odd, turning, strange, plain = logs.lines()
    assert odd["value"] == "<Odd: RuntimeError in __str__>"
    assert turning["value"]["self"]["self"]
    assert strange["value"] == "lone ? surrogate"
    assert strange["number"] == str(2**80)
    assert plain["numbers"] == {"1": [2, 3]}
    assert logs.ring.entries() == logs.lines()


def test_a_line_without_measure_is_cut(logs: RunningLogs) -> None:
    log.info("page.text", text="x" * (MAX_LINE_BYTES + 1), url="http://x/")
    line = logs.last()
    assert line["cut"] is True
    assert len(line["text"]) == 2000
    assert line["url"] == "http://x/"


def test_the_console_format_reads_like_text_and_hides_the_same(
    stream: TextIO, redactor: Redactor
) -> None:
    with logs_to(stream, redactor, LogFormat.CONSOLE) as ring:
        log.info("auth.checked", given="key-of-the-node", user="root")
    text = Path(stream.name).read_text()
    assert "auth.checked" in text
    assert "given=[redacted]" in text
    assert ring.entries()[0]["user"] == "root"


def test_auto_is_json_for_machines_and_colour_for_people(
    stream: TextIO, redactor: Redactor
) -> None:
    with logs_to(stream, redactor, LogFormat.AUTO):
        log.info("for.machines")
    assert Path(stream.name).read_text().startswith("{")
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal, logs_to(terminal, redactor, LogFormat.AUTO):
        log.info("for.people")
    shown = os.read(master, 4096)
    os.close(master)
    assert b"\x1b[" in shown
    assert b"for.people" in shown


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_afterwards_everything_is_as_before(stream: TextIO, redactor: Redactor) -> None:
    root = logging.getLogger()
    before = structlog.get_config(), root.handlers[:], root.level
    descriptors = open_descriptors()
    with logs_to(stream, redactor, level=LogLevel.DEBUG):
        log.debug("inside")
    assert (structlog.get_config(), root.handlers, root.level) == before
    assert open_descriptors() == descriptors
