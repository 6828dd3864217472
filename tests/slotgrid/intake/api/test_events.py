"""`GET /events`: changes of tasks over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from slotgrid.client import Client
from tests.harness.environment import KEY
from tests.harness.in_process.node import RunningNode


@asynccontextmanager
async def listening(
    node: RunningNode, query: str = "", **headers: str
) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """The events of a stream that listens already, as kind and data."""
    async with node.caller.get(f"/events{query}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        assert await answer.content.readline() == b": listening\n"
        yield _events(answer)


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    frame: dict[str, str] = {}
    async for line in answer.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if line == b"\n" and "data" in frame:
            yield frame["event"], json.loads(frame["data"]) | {"id": frame.get("id")}
            frame = {}
        else:
            frame[name] = value


async def take(events: AsyncIterator[tuple[str, Any]], count: int) -> list[tuple[str, Any]]:
    async with asyncio.timeout(20):
        return [await anext(events) for _ in range(count)]


async def test_a_task_is_followed_from_its_queue_to_its_end(node: RunningNode) -> None:
    async with listening(node) as events:
        async with node.caller.post("/task", json={"function": "greet"}) as answer:
            done = await answer.json()
        (queued, _), (started, at_start), (ended, at_end) = await take(events, 3)
    assert (queued, started, ended) == ("queued", "started", "ended")
    assert (at_start["task"], at_start["status"], at_start["slot"]) == (done["id"], "running", 0)
    assert (at_end["status"], at_end["error"], at_end["owner"]) == ("completed", None, "root")
    assert at_end["source"] == {"kind": "api", "id": None}
    headers = {"Last-Event-ID": at_start["id"]}
    async with node.caller.get("/events", headers=headers) as answer:
        assert await answer.content.readline() == b": listening\n"
        assert await take(_events(answer), 1) == [("ended", at_end)]


async def test_the_query_narrows_it(node: RunningNode) -> None:
    async with listening(node, "?function=greet&slot=0") as events:
        for name in ("fails", "greet"):
            async with node.caller.post("/task", json={"function": name}):
                pass
        found = await take(events, 2)
    assert [(kind, data["function"]) for kind, data in found] == [
        ("started", "greet"),
        ("ended", "greet"),
    ]


@pytest.mark.parametrize("query", ["?slot=first", "?colour=red", "?parent=x&parent=y"])
async def test_a_wrong_query_is_named(node: RunningNode, query: str) -> None:
    problem = await node.problem("GET", f"/events{query}")
    assert problem["type"] == "/problems/invalid-request"


async def test_the_client_goes_on_after_a_broken_connection(node: RunningNode) -> None:
    async with Client(str(node.caller.make_url("/")), KEY) as client:
        changes = client.changes(function="greet", owner=None)
        waiting = asyncio.ensure_future(anext(changes))
        while not waiting.done():  # it does not say when it has begun to listen
            async with node.caller.post("/task", json={"function": "greet"}) as answer:
                assert answer.status == 200
        first = await waiting
        second = await asyncio.wait_for(anext(changes), 20)
        assert second.id == first.id + 1
        await changes.aclose()
        again = client.changes(after=first.id)
        assert (await asyncio.wait_for(anext(again), 20)) == second
        await again.aclose()
