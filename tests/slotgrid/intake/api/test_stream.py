"""Mode `stream`: what a task says, in three forms, to its one last word."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import ClientError
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.core.task_states import TaskState
from slotgrid.intake import stream_response
from tests.harness.in_process.node import RunningNode, events_of, problem_of, running_node

NDJSON = {"Accept": "application/x-ndjson"}
TEXT = {"Accept": "text/plain"}


def streamed(function: str, **input_: Any) -> dict[str, Any]:
    return {"function": function, "input": input_, "mode": "stream"}


async def test_everything_a_task_says_arrives_in_order_and_last_its_result(
    node: RunningNode,
) -> None:
    async with node.caller.post("/task", json=streamed("greet", name="Ada")) as answer:
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Accel-Buffering"] == "no"
        events = await events_of(answer)
    assert [event["event"] for event in events] == [
        *("status", "chunk", "chunk", "chunk", "progress", "done")
    ]
    assert [event["id"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert "".join(e["data"]["data"] for e in events if e["event"] == "chunk") == "Hello, Ada!"
    done = events[-1]["data"]
    assert done["result"] == {"message": "Hello, Ada!"}
    assert answer.headers["Content-Location"] == f"/tasks/{done['id']}"


async def test_an_accept_header_is_enough_where_the_path_names_the_function(
    node: RunningNode,
) -> None:
    sse = {"Accept": "text/event-stream"}
    async with node.caller.post("/functions/greet", headers=sse) as answer:
        assert (await events_of(answer))[-1]["event"] == "done"
    async with node.caller.post("/functions/greet", params={"mode": "stream"}) as answer:
        assert (await events_of(answer))[-1]["event"] == "done"


async def test_ndjson_has_a_line_for_each_event(node: RunningNode) -> None:
    async with node.caller.post("/task", json=streamed("greet"), headers=NDJSON) as answer:
        assert answer.content_type == "application/x-ndjson"
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert lines[1] == {"id": 2, "event": "chunk", "data": {"data": "Hello, "}}
    assert lines[-1]["data"]["result"] == {"message": "Hello, World!"}


async def test_text_is_the_chunks_as_they_are(node: RunningNode) -> None:
    async with node.caller.post("/task", json=streamed("greet"), headers=TEXT) as answer:
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert await answer.text() == "Hello, World!"


@pytest.mark.parametrize(
    "chunk", ["a\nb\r\n\n", "data: x\n\nevent: done", "\u2028\x00\x85", "ü€😀"]
)
async def test_no_chunk_can_break_the_frames(node: RunningNode, chunk: str) -> None:
    async with node.caller.post("/task", json=streamed("greet", name=chunk)) as answer:
        events = await events_of(answer)
    assert events[2]["data"] == {"data": chunk}
    async with node.caller.post(
        "/task", json=streamed("greet", name=chunk), headers=TEXT
    ) as answer:
        assert (await answer.read()).decode() == f"Hello, {chunk}!"


async def test_a_stream_that_breaks_after_its_first_chunk_says_so_in_band(
    node: RunningNode,
) -> None:
    body = streamed("fail", chunks=2)
    async with node.caller.post("/task", json=body) as answer:
        events = await events_of(answer)
    assert [event["event"] for event in events] == ["chunk", "chunk", "error"]
    problem = events[-1]["data"]
    assert problem["type"] == "/problems/function-failed"
    assert (problem["success"], problem["error"]) == (False, "no luck")
    async with node.caller.post("/task", json=body, headers=NDJSON) as answer:
        assert json.loads((await answer.text()).splitlines()[-1])["event"] == "error"
    async with node.caller.post("/task", json=body, headers=TEXT) as answer:
        text = await answer.text()
    assert text.startswith("chunk 0chunk 1\nerror: no luck (task ")


async def test_a_failure_before_the_first_word_has_its_own_status(node: RunningNode) -> None:
    async with node.caller.post("/task", json=streamed("fail")) as answer:
        assert (await problem_of(answer))["type"] == "/problems/function-failed"


async def test_a_wait_in_vain_has_its_own_status_when_it_is_short(
    aiohttp_client: AiohttpClient,
) -> None:
    async with running_node(aiohttp_client, slots=1) as node:
        holding = asyncio.create_task(node.submit("hold"))
        await node.running_task()
        body = streamed("greet") | {"wait_s": 0.05}
        async with node.caller.post("/task", json=body) as answer:
            assert (await problem_of(answer))["type"] == "/problems/wait-exceeded"
        node.runner.gate.set()
        await holding


async def test_a_wait_in_vain_is_told_in_band_when_it_is_long(
    aiohttp_client: AiohttpClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_response, "PING_S", 0.02)
    async with running_node(aiohttp_client, slots=1) as node:
        holding = asyncio.create_task(node.submit("hold"))
        await node.running_task()
        body = streamed("greet") | {"wait_s": 0.2}
        async with node.caller.post("/task", json=body) as answer:
            events = await events_of(answer)
        assert [event["event"] for event in events] == ["error"]
        assert events[0]["data"]["type"] == "/problems/wait-exceeded"
        node.runner.gate.set()
        await holding


async def test_a_silent_task_is_kept_alive_by_pings_that_are_no_events(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_response, "PING_S", 0.02)
    async with node.caller.post("/task", json=streamed("hold")) as answer:
        heard = b""
        while heard.count(b": ping\n\n") < 3:
            heard += await answer.content.readany()
        node.runner.gate.set()
        heard += await answer.read()
    assert heard.count(b"event: ") == 2
    async with node.caller.post("/task", json=streamed("hold"), headers=NDJSON) as answer:
        assert b"ping" not in await answer.read()


async def test_a_caller_who_hangs_up_cancels_its_stream(node: RunningNode) -> None:
    async with node.caller.post("/task", json=streamed("hold")) as answer:
        task = await node.running_task()
        answer.close()
    async with asyncio.timeout(10):
        await task.wait_finished()
    assert task.state is TaskState.CANCELLED
    await node.idle()


async def test_a_task_cancelled_by_someone_else_says_so_in_its_stream(node: RunningNode) -> None:
    async with node.caller.post("/task", json=streamed("hold")) as answer:
        task = await node.running_task()
        async with node.caller.post(f"/tasks/{task.id}/cancel") as cancelled:
            assert (await cancelled.json())["status"] == "cancelled"
        events = await events_of(answer)
    assert events[-1]["event"] == "error"
    assert events[-1]["data"]["type"] == "/problems/task-cancelled"
    assert events[-1]["data"]["reason"] == "root cancelled it"


async def test_a_slow_reader_pauses_its_own_task_and_no_other(node: RunningNode) -> None:
    count, size = 500, 64 * 1024
    body = streamed("chatter", count=count, size=size)
    async with asyncio.timeout(60), node.unread("POST", "/task", body) as answer:
        slow = await node.running_task()
        for _ in range(20):
            assert (await node.submit("greet"))["result"] == {"message": "Hello, World!"}
        # What a connection holds by itself is a few MB; the task has 32 to say.
        assert not slow.state.terminal
        assert slow.events.last_id < count
        assert b"event: done" in await read_last(answer)
    assert slow.events.last_id == count + 1
    await node.idle()


async def test_a_reader_who_never_reads_is_cut_off_well_after_its_task_has_ended(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_response, "UNREAD_S", 0.2)
    body = streamed("chatter", count=500, size=64 * 1024) | {"timeout_s": 0.3}
    async with asyncio.timeout(20), node.unread("POST", "/task", body) as answer:
        task = await node.running_task()
        await task.wait_finished()
        cutting = [t for t in asyncio.all_tasks() if t.get_name() == "cut off a slow reader"]
        await asyncio.gather(*cutting, return_exceptions=True)
        with suppress(ConnectionResetError):
            assert b"event: error" not in await read_last(answer)
    assert task.state is TaskState.FAILED
    await node.idle()


async def read_last(answer: asyncio.StreamReader) -> bytes:
    """The last 2000 bytes, when the answer has ended."""
    last = b""
    while piece := await answer.read(256 * 1024):
        last = (last + piece)[-2000:]
    return last


async def test_a_defect_in_the_middle_of_a_stream_breaks_it_off(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> bytes:
        raise ZeroDivisionError

    async with node.caller.post("/task", json=streamed("hold")) as answer:
        await node.running_task()
        await answer.content.readuntil(b"\n\n")
        monkeypatch.setattr("slotgrid.core.event_log.Reader.next", broken)
        node.runner.gate.set()
        with pytest.raises(ClientError):
            await answer.read()
    await node.idle()
