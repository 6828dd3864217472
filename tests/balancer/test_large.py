"""Much at once between a balancer and a worker: every caller is answered, and the link lasts."""

import asyncio

import orjson
import pytest

from tests.harness.in_process.balancer import RunningBalancer

MIB = 1024 * 1024


async def _still_linked(balancer: RunningBalancer) -> None:
    assert balancer.events_logged("worker.lost") == []
    assert await balancer.call("echo", value="again") == "again"


async def test_steps_with_large_outputs_end_in_an_answer(balancer: RunningBalancer) -> None:
    worker = await balancer.worker()
    problem = await balancer.problem("repeat", 500, input={"times": 20, "size": 8 * MIB})
    assert "outputs of its steps" in problem["error"]
    assert "Traceback" not in worker.process.said
    await _still_linked(balancer)


async def test_inputs_that_are_large_together_wait_for_the_link(
    balancer: RunningBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers, size = 30, MIB // 2
    await balancer.worker(SLOTS=callers)
    monkeypatch.setattr("slotgrid.wire.link.SEND_AHEAD", MIB)
    monkeypatch.setattr("slotgrid.wire.link.BACKLOG_LIMIT", 4 * MIB)
    answers = await asyncio.gather(
        *(balancer.submit("measure", input={"text": "x" * size}) for _ in range(callers))
    )
    assert [(answer.status, answer.json.get("result")) for answer in answers] == [
        (200, size)
    ] * callers
    await _still_linked(balancer)


async def test_large_pieces_of_a_stream_all_come_to_a_caller_who_reads_slowly(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker()
    size, pieces = 3 * MIB, 12
    body = {"function": "talk", "mode": "stream", "input": {"pieces": pieces, "size": size}}
    got = bytearray()
    async with balancer.caller.post(
        "/task", json=body, headers={"Accept": "application/x-ndjson"}
    ) as response:
        async for part in response.content.iter_chunked(4 * MIB):
            got += part
            if len(got) < 8 * MIB:
                await asyncio.sleep(0.05)
    lines = [orjson.loads(line) for line in got.splitlines()]
    kinds = [line["kind"] if "kind" in line else line["event"] for line in lines]
    assert kinds == ["chunk"] * pieces + ["done"]
    await _still_linked(balancer)
