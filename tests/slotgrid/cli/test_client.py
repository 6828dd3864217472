import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from slotgrid.client import Client, NodeUnreachable, Problem, UnexpectedAnswer
from tests.harness.peers.fake_node import KEY, TASK_ID, FakeNode, Said, answer, problem


@pytest.fixture
async def client(node: FakeNode) -> AsyncIterator[Client]:
    async with Client(node.url, KEY) as client:
        yield client


async def _endless(_: dict[str, Any]) -> AsyncIterator[Said]:
    yield "status", {"text": "here for good", "data": None}
    await asyncio.Event().wait()


async def test_a_call_gives_the_result_and_what_it_took(client: Client, node: FakeNode) -> None:
    got = await client.call("page_title", {"url": "x"}, priority=2, wait_s=None)
    assert got.result["title"] == "Example"
    assert (got.id, got.worker, got.queued_ms, got.run_ms) == (TASK_ID, "here-3000", 2.4, 312.0)
    submitted = {"function": "page_title", "input": {"url": "x"}, "mode": "sync", "priority": 2}
    assert node.submissions == [submitted]


async def test_a_stream_gives_every_event_in_order_and_ends_with_done(client: Client) -> None:
    events = [event async for event in client.stream("hello")]
    kinds = ["status", "progress", "log", "chunk", "chunk", "chunk", "done"]
    assert [event.kind for event in events] == kinds
    assert [event.id for event in events] == list(range(1, 8))
    assert (events[0].text, events[1].data) == ("looking for words", {"fraction": 0.5})
    assert "".join(event.data for event in events if event.kind == "chunk") == "Hello, World!"


async def test_an_event_larger_than_any_buffer_comes_whole(client: Client, node: FakeNode) -> None:
    large = "ä\n" * 1_000_000

    async def say_much(_: dict[str, Any]) -> AsyncIterator[Said]:
        yield "chunk", {"data": large}
        yield answer(large)

    node.add("much", say_much)
    events = [event async for event in client.stream("much")]
    assert events[0].data == large
    assert events[1].payload["result"] == large


async def test_a_refusal_is_a_problem_with_its_facts(client: Client, node: FakeNode) -> None:
    async def refuse(_: dict[str, Any]) -> AsyncIterator[Said]:
        errors = [{"pointer": "/input/url", "message": "is required"}]
        yield problem("invalid-input", 400, "Not valid", "1 fault", errors=errors, retry_after_s=3)

    node.add("refuse", refuse)
    with pytest.raises(Problem) as caught:
        await client.call("refuse")
    found = caught.value
    assert (found.name, found.status, found.title) == ("invalid-input", 400, "Not valid")
    assert (found.detail, found.retry_after_s, found.task_id) == ("1 fault", 3, None)
    assert [(e.pointer, e.message) for e in found.errors] == [("/input/url", "is required")]


async def test_a_task_that_fails_after_its_first_chunk_raises_its_problem(
    client: Client, node: FakeNode
) -> None:
    async def fail(_: dict[str, Any]) -> AsyncIterator[Said]:
        yield "chunk", {"data": "half"}
        yield problem("function-failed", 500, "It failed", "ValueError", task_id=TASK_ID)

    node.add("fail", fail)
    heard = []
    with pytest.raises(Problem) as caught:
        async for event in client.stream("fail"):
            heard.append(event.data)  # noqa: PERF401  what was heard before it raised counts
    assert heard == ["half"]
    assert caught.value.task_id == TASK_ID


async def test_a_stream_that_breaks_off_is_not_taken_for_an_end(
    client: Client, node: FakeNode
) -> None:
    async def break_off(_: dict[str, Any]) -> AsyncIterator[Said]:
        yield "chunk", {"data": "half"}
        yield "break", {}

    async def just_end(_: dict[str, Any]) -> AsyncIterator[Said]:
        yield "chunk", {"data": "half"}

    node.add("break", break_off)
    node.add("end", just_end)
    for name in ("break", "end"):
        with pytest.raises(NodeUnreachable):
            async for event in client.stream(name):
                assert event.kind == "chunk"


async def test_leaving_a_stream_hangs_up(client: Client, node: FakeNode) -> None:
    node.add("endless", _endless)
    async with aclosing(client.stream("endless")) as events:
        async for event in events:
            assert event.kind == "status"
            break
    await asyncio.wait_for(node.hung_up.wait(), 10)


async def test_cancelling_a_call_hangs_up(client: Client, node: FakeNode) -> None:
    node.add("endless", _endless)
    call = asyncio.create_task(client.call("endless"))
    await asyncio.wait_for(node.started.wait(), 10)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(node.hung_up.wait(), 10)


async def test_names_travel_whole_whatever_is_in_them(client: Client, node: FakeNode) -> None:
    node.functions["shop/ä ?price"] = {"name": "found"}
    assert await client.function("shop/ä ?price") == {"name": "found"}
    node.artifacts["a/b #1.png"] = b"data"
    pieces = [piece async for piece in client.artifact(TASK_ID, "a/b #1.png")]
    assert b"".join(pieces) == b"data"


async def test_the_record_of_a_task_can_be_waited_for(client: Client) -> None:
    assert await client.task(TASK_ID, wait_s=2.5) == {"id": TASK_ID, "wait_s": "2.5"}
    assert (await client.cancel(TASK_ID))["success"]


async def test_nobody_there_is_told_with_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with Client(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(NodeUnreachable) as caught:
            await client.health()
    assert caught.value.reason == "Connection refused"


async def test_an_answer_that_is_not_of_a_node_is_told_as_that(
    aiohttp_server: AiohttpServer,
) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<h1>It works</h1>", content_type="text/html")

    async def away(_: web.Request) -> web.Response:
        raise web.HTTPMovedPermanently("https://elsewhere.example/logs")

    app = web.Application()
    app.add_routes([web.get("/health", page), web.get("/logs", away)])
    server = await aiohttp_server(app)
    async with Client(str(server.make_url("/"))) as client:
        with pytest.raises(UnexpectedAnswer, match="not a JSON object"):
            await client.health()
        with pytest.raises(UnexpectedAnswer, match=r"leads to https://elsewhere\.example/logs"):
            await client.logs()
        with pytest.raises(UnexpectedAnswer, match="answered 404"):
            await client.functions()


def test_a_url_without_its_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="http://"):
        Client("localhost:3000")
