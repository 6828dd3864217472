"""A function that failed is told with the place where it did."""

from typing import Any

import pytest

from slotgrid.cli.tracebacks import BEGINNING, last_traceback
from tests.harness.peers.fake_node import TASK_ID, FakeNode, problem
from tests.slotgrid.cli.conftest import Run

FIRST = [BEGINNING, '  File "mine.py", line 7, in mine', "ValueError: no"]


def line(text: str, *, step: str = "main", stream: str = "stderr") -> dict[str, Any]:
    return {"ts": "2030-01-31T08:00:00.000Z", "stream": stream, "step": step, "line": text}


def attempt(number: int) -> dict[str, Any]:
    return line(f"attempt {number} on slot 0 of here", step="_node", stream="stdout")


@pytest.fixture
def failing(node: FakeNode) -> FakeNode:
    """The node, with a function `fail` and its log."""

    async def fail(_: dict[str, Any]) -> Any:
        yield problem("function-failed", 500, "It failed", "ValueError: no", task_id=TASK_ID)

    node.add("fail", fail)
    node.task_log = [attempt(1), line("works"), *map(line, FIRST), line("failed", step="_node")]
    return node


@pytest.mark.parametrize("mode", ["sync", "stream"])
async def test_the_traceback_stands_above_the_failure(
    run: Run, failing: FakeNode, mode: str
) -> None:
    ran = await run("call", "fail", "--mode", mode)
    assert ran.exit_code == 1
    assert ran.stderr.splitlines()[:4] == [
        *(f"│ {text}" for text in FIRST),
        "✗ It failed  500 function-failed",
    ]


async def test_of_a_forgotten_task_only_the_failure_is_told(run: Run, failing: FakeNode) -> None:
    failing.remembers = False
    ran = await run("call", "fail")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("✗ It failed")


async def test_of_an_endless_traceback_the_end_is_shown(run: Run, failing: FakeNode) -> None:
    failing.task_log = [line(BEGINNING), *(line(f"frame {number}") for number in range(1000))]
    shown = (await run("call", "fail")).stderr.splitlines()
    assert shown[:2] == ["│ …", "│ frame 960"]
    assert shown[40] == "│ frame 999"


def test_of_several_attempts_the_last_counts_with_its_causes() -> None:
    second = [BEGINNING, "KeyError: 1", "", "The above exception was the direct cause", *FIRST]
    log = [attempt(1), *map(line, FIRST), attempt(2), *map(line, second)]
    assert last_traceback(log) == second


def test_a_log_without_a_traceback_shows_nothing() -> None:
    assert last_traceback([attempt(1), line("warning: odd"), line("fine", stream="stdout")]) == []
    assert last_traceback([]) == []
