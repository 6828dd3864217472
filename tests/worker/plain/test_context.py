"""What the context of a plain function asks of the worker, seen without a process."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from slotgrid.core.task_parts import Artifact
from slotgrid.records.file_data import PIECE_BYTES
from worker.plain.context import ChildContext
from worker.plain.messages import Answer, ContextCall, Run

SAVED = Artifact("a.txt", 1, "text/plain", "/tasks/1/artifacts/a.txt")


class Worker:
    """Keeps what it is asked for, and answers with a file or a refusal."""

    def __init__(self, refused: str | None = None) -> None:
        self.calls: list[ContextCall] = []
        self._refused = refused

    def call_in_pieces(self, messages: Iterable[ContextCall]) -> Answer:
        self.calls += messages
        return Answer(file=SAVED, refused=self._refused)


def a_context(worker: Worker) -> ChildContext:
    return ChildContext(Run("1", 2, 30.0, {"TOKEN": "x"}, b"{}"), worker)


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def context(worker: Worker) -> ChildContext:
    return a_context(worker)


def test_it_knows_its_task(context: ChildContext) -> None:
    assert (context.task_id, context.attempt, context.secrets) == ("1", 2, {"TOKEN": "x"})
    assert 0 < context.deadline.remaining_s <= 30


def test_what_it_says_is_sent(context: ChildContext, worker: Worker) -> None:
    context.emit("found", "3 rows", {"count": 3})
    context.status("reads")
    context.progress("half", 0.5)
    context.stream("chunk")
    context.log("line", "stderr")
    sent: list[tuple[str, Any]] = [
        (call.method, msgspec.json.decode(call.arguments)) for call in worker.calls
    ]
    assert sent == [
        ("emit", {"kind": "found", "text": "3 rows", "data": {"count": 3}}),
        ("status", {"text": "reads"}),
        ("progress", {"text": "half", "fraction": 0.5}),
        ("stream", {"chunk": "chunk"}),
        ("log", {"line": "line", "stream": "stderr"}),
    ]


def test_a_small_file_goes_in_one_call_and_a_path_by_its_name(
    context: ChildContext, worker: Worker
) -> None:
    assert context.save("a.txt", "text") == SAVED
    context.save("a.txt", Path("beside.txt"))
    whole, path = worker.calls
    assert (whole.content, whole.more) == (b"text", False)
    assert path.path == str(Path("beside.txt").absolute())


def test_a_large_file_goes_in_pieces(context: ChildContext, worker: Worker) -> None:
    context.save("a.bin", bytes(PIECE_BYTES + 1))
    context.save("b.bin", BytesIO(b"from a file"))
    sizes = [(len(call.content or b""), call.more) for call in worker.calls]
    assert sizes == [(PIECE_BYTES, True), (1, True), (0, False), (11, True), (0, False)]


def test_what_is_no_file_is_told_as_broken(context: ChildContext, worker: Worker) -> None:
    no_file: Any = 7
    context.save("a.bin", no_file)
    (call,) = worker.calls
    assert call.broken is not None
    assert "expected bytes, text, a Path or an open binary file, got int" in call.broken


def test_a_refusal_is_an_error_of_the_call() -> None:
    with pytest.raises(ValueError, match="too large"):
        a_context(Worker(refused="too large")).status("x")


def test_nothing_is_sent_after_the_end(context: ChildContext, worker: Worker) -> None:
    context.close()
    with pytest.raises(RuntimeError, match="the task has ended"):
        context.status("late")
    assert worker.calls == []
