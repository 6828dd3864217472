"""Balancers of earlier protocols: their `done` has only what they can read."""

from pathlib import Path
from typing import Literal

import msgspec
import pytest

from slotgrid.core.errors import ForbiddenAddress
from slotgrid.core.runner import AttemptFailed
from slotgrid.wire import messages as m
from slotgrid.wire.encoding import encode
from slotgrid.wire.message_parts import TrafficInfo
from tests.harness.peers.fake_balancer import linked
from tests.worker.uplink.test_balancer_requests import ask
from worker.attempt import RunningAttempt

FUNCTIONS = {
    "saves.py": """
        @function()
        async def saves(context: Context) -> list[str]:
            given = ("Report (1).pdf", "(a).txt", "(a).txt", "last.txt")
            return [(await context.save(name, name, replace=False)).name for name in given]
    """,
    "moves.py": """
        from slotgrid.core.task_parts import Traffic

        @function()
        async def moves(context: Context) -> None:
            context._attempt.task.traffic = Traffic(5, 3, 1)  # as a guarded page does
    """,
    "part.py": """
        @function()
        async def part(context: Context, n: int = 1) -> int:
            return n
    """,
    "whole.py": """
        @function()
        async def whole(context: Context) -> int:
            await context.call("part", {"n": 2})
            context._attempt.add_step("whole", action="click")  # as a recipe does
            return 1
    """,
}


def refused_first(_: RunningAttempt, *, failed: bool) -> AttemptFailed:
    """The failure of an attempt whose first navigation the guard refused."""
    return AttemptFailed(ForbiddenAddress("10.0.0.1 is closed to pages"), retryable=False)


@pytest.mark.parametrize(
    ("protocol", "problem"), [("1.2", "function-failed"), (m.PROTOCOL, "forbidden-address")]
)
async def test_a_forbidden_address_goes_to_balancers_that_know_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str, problem: str
) -> None:
    async with linked(tmp_path, FUNCTIONS, boot=None) as (worker, balancer):
        await balancer.hello()
        balancer.welcome("b1", protocol=protocol)
        with monkeypatch.context() as patch:
            patch.setattr("worker.failures.of_forbidden_address", refused_first)
            failed = await balancer.outcome(balancer.offer("part"))
        assert isinstance(failed, m.Failed)
        assert failed.problem["type"] == f"/problems/{problem}"
        assert failed.problem["detail"] == "10.0.0.1 is closed to pages"
        await worker.idle()


async def test_a_balancer_gets_the_traffic_of_a_task(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        done = await balancer.outcome(balancer.offer("moves"))
        assert done.traffic == TrafficInfo(received_bytes=5, sent_bytes=3, connections=1)
        assert (await balancer.outcome(balancer.offer("part"))).traffic is None
        await worker.idle()


class FirstStep(msgspec.Struct):
    """A step as 1.0 has it."""

    name: str
    function: str
    status: Literal["pending", "ready", "running", "completed", "failed", "skipped", "cancelled"]
    started_at: float
    ended_at: float | None = None


@pytest.mark.parametrize(
    ("protocol", "names"), [("1.0", ["part-1"]), (m.PROTOCOL, ["part-1", "click-2"])]
)
async def test_steps_that_have_not_started_go_to_balancers_that_can_read_them(
    tmp_path: Path, protocol: str, names: list[str]
) -> None:
    async with linked(tmp_path, FUNCTIONS, boot=None) as (worker, balancer):
        await balancer.hello()
        balancer.welcome("b1", protocol=protocol)
        done = await balancer.outcome(balancer.offer("whole"))
        assert [step.name for step in done.steps] == names
        first, *unstarted = done.steps
        assert msgspec.json.decode(encode(first), type=FirstStep).started_at > 0
        assert (first.worker, bytes(first.input)) == ("test-worker", b'{"n":2}')
        assert [(step.action, step.started_at) for step in unstarted] == [
            ("click", None) for _ in unstarted
        ]
        await worker.idle()


@pytest.mark.parametrize(
    ("protocol", "names"),
    [
        ("1.1", ["Report _1_.pdf", "_a_.txt", "_a_ _1_.txt", "last.txt"]),
        (m.PROTOCOL, ["Report (1).pdf", "(a).txt", "(a) (1).txt", "last.txt"]),
    ],
)
async def test_a_balancer_gets_files_under_names_that_it_takes(
    tmp_path: Path, protocol: str, names: list[str]
) -> None:
    async with linked(tmp_path, FUNCTIONS, boot=None) as (worker, balancer):
        await balancer.hello()
        balancer.welcome("b1", protocol=protocol)
        task_id = balancer.offer("saves")
        done = await balancer.outcome(task_id)
        assert [file.name for file in done.artifacts] == names
        assert msgspec.json.decode(done.result) == names
        for name in names:
            assert (await ask(balancer, "artifact", task=task_id, name=name)).status == 200
        await worker.idle()
