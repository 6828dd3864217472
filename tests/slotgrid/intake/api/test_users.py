"""Keys of users at a node: scopes, rates, expiry, and the end of streams."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.core.principal import Principal
from slotgrid.intake import stream_response
from slotgrid.intake.refused_keys import RefusedKeys
from slotgrid.users.user import hash_of
from slotgrid.users.users import Key, Users
from tests.harness.environment import KEY
from tests.harness.in_process.node import RunningNode, running_node
from tests.slotgrid.core.fakes import ManualClock

ROOT = {"Authorization": KEY}


def by(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


class Given:
    """A node whose users come from a file, at a time that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "users.json"
        self.clock = ManualClock()
        self.users = Users(self.file, auth_key=KEY, clock=self.clock)

    async def write(self, *users: dict[str, Any]) -> None:
        for user in users:
            user.setdefault("scopes", ["read", "submit"])
            user["keys"] = [
                {"hash": hash_of(key), "expires_at": end} for key, end in user["keys"].items()
            ]
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps({"users": users}))
        new.rename(self.file)
        await self.users.look()


@pytest.fixture
def given(tmp_path: Path) -> Given:
    return Given(tmp_path)


@asynccontextmanager
async def node_of(client: AiohttpClient, given: Given) -> AsyncIterator[RunningNode]:
    async with running_node(client, users=given.users, durable=True) as node:
        yield node


async def get(node: RunningNode, path: str, key: str, method: str = "GET", **more: Any) -> Any:
    async with node.caller.request(method, path, headers=by(key), **more) as answer:
        return answer.status, await answer.json(content_type=None), dict(answer.headers)


async def test_a_user_does_what_its_scopes_allow(
    aiohttp_client: AiohttpClient, given: Given
) -> None:
    await given.write(
        {"name": "ann", "keys": {"a": None}},
        {"name": "bob", "keys": {"b": None}, "scopes": ["read"]},
        {"name": "cat", "keys": {"c": None}, "scopes": ["read", "admin"]},
    )
    async with node_of(aiohttp_client, given) as node:
        body = {"function": "greet", "input": {}}
        status, done, _ = await get(node, "/task", "a", "POST", json=body)
        assert status == 200, done
        status, shown, _ = await get(node, f"/tasks/{done['id']}", "a")
        assert shown["task"]["owner"] == "ann"
        for path in ("", "/logs", "/events", "/artifacts", "/artifacts/x", "/steps/main/logs"):
            status, problem, _ = await get(node, f"/tasks/{done['id']}{path}", "b")
            assert (status, problem["type"]) == (404, "/problems/unknown-task"), path
        status, listed, _ = await get(node, "/tasks", "b")
        assert listed["total"] == 0
        status, problem, _ = await get(node, "/task", "b", "POST", json=body)
        assert (status, problem["type"]) == (403, "/problems/forbidden")
        status, users, _ = await get(node, "/users", "c")
        assert [one["name"] for one in users["users"]] == ["root", "ann", "bob", "cat"]
        assert (await get(node, "/users", "a"))[0] == 403


async def test_an_unknown_and_an_expired_key_are_told_apart(
    aiohttp_client: AiohttpClient, given: Given
) -> None:
    given.clock.now = 1_900_000_000.0
    await given.write({"name": "ann", "keys": {"a": "2030-03-17T17:46:50Z"}})
    async with node_of(aiohttp_client, given) as node:
        assert (await get(node, "/tasks", "a"))[0] == 200
        given.clock.now += 10
        status, problem, headers = await get(node, "/tasks", "a")
        assert (status, problem["detail"]) == (401, "the key in `Authorization` has expired")
        assert "WWW-Authenticate" in headers
        assert "is unknown" in (await get(node, "/tasks", "wrong"))[1]["detail"]


async def test_past_its_rate_a_user_is_told_when_to_come_back(
    aiohttp_client: AiohttpClient, given: Given
) -> None:
    await given.write(
        {"name": "ann", "keys": {"a": None, "a2": None}, "rate": "2/m"},
        {"name": "bob", "keys": {"b": None}},
        {"name": "cat", "keys": {"c": None}, "rate": "2/m"},
    )
    async with node_of(aiohttp_client, given) as node:
        assert (await get(node, "/tasks", "a"))[0] == 200
        assert (await get(node, "/tasks", "a2"))[0] == 200
        status, problem, headers = await get(node, "/tasks", "a")
        assert (status, problem["type"]) == (429, "/problems/over-quota")
        assert 29 <= int(headers["Retry-After"]) <= 30
        assert problem["detail"] == "the limit of ann is 2 requests a minute"
        assert (await get(node, "/tasks", "b"))[0] == 200
        forbidden = [(await get(node, "/users", "c"))[0] for _ in range(3)]
        assert forbidden == [403, 403, 429]  # what it may not do counts too


@pytest.mark.parametrize("path", ["events", "logs?follow=true"])
async def test_a_stream_ends_with_the_key_of_its_reader(
    aiohttp_client: AiohttpClient, given: Given, path: str
) -> None:
    await given.write({"name": "ann", "keys": {"a": None}})
    async with node_of(aiohttp_client, given) as node:
        submitted = {"function": "hold", "mode": "async"}
        _, accepted, _ = await get(node, "/task", "a", "POST", json=submitted)
        address = f"/tasks/{accepted['id']}/{path}"
        async with node.caller.get(address, headers=by("a")) as answer:
            assert answer.status == 200
            reading = asyncio.ensure_future(_read(answer))
            await given.write({"name": "bob", "keys": {"b": None}})
            said = await asyncio.wait_for(reading, 20)
        assert (b"the key of this stream has ended" in said) is (path == "events")
        assert (await get(node, address, "a"))[0] == 401
        async with node.caller.get(f"/tasks/{accepted['id']}", headers=ROOT) as answer:
            task = (await answer.json())["task"]
        assert (task["owner"], task["status"]) == ("ann", "running")  # it goes on
        async with node.caller.post(f"/tasks/{accepted['id']}/cancel", headers=ROOT) as answer:
            assert answer.status == 200


async def test_the_answer_of_a_task_in_mode_stream_ends_too(
    aiohttp_client: AiohttpClient, given: Given
) -> None:
    await given.write({"name": "ann", "keys": {"a": None}})
    async with node_of(aiohttp_client, given) as node:
        body = {"function": "hold", "mode": "stream"}
        headers = {**by("a"), "Accept": "text/event-stream"}
        async with node.caller.post("/task", json=body, headers=headers) as answer:
            assert answer.status == 200
            reading = asyncio.ensure_future(_read(answer))
            await given.write()
            assert b"event: error" in await asyncio.wait_for(reading, 20)


async def test_a_reader_who_does_not_read_loses_its_stream_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_response, "LAST_WORD_S", 0.05)
    monkeypatch.setattr(stream_response, "UNREAD_S", 0.05)
    said: list[str] = []

    class Full:
        has_events = True

        async def write(self, _: bytes) -> None:
            said.append("write")
            await asyncio.Event().wait()  # its buffer is full

    transport = SimpleNamespace(
        close=lambda: said.append("close"), abort=lambda: said.append("abort")
    )
    key = Key(Principal("ann"))
    key.ended.set()
    request: Any = SimpleNamespace(transport=transport)
    full: Any = Full()
    async with asyncio.timeout(20):
        await stream_response._end_with_key(request, full, key)
    assert said == ["write", "close", "abort"]


async def _read(answer: Any) -> bytes:
    said = b""
    try:
        async for piece in answer.content.iter_any():
            said += piece
    except Exception:  # a stream that ends early is an error to this client
        return said
    return said


def test_wrong_keys_are_logged_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    refused = RefusedKeys(clock=clock)
    for _ in range(5):
        refused.note("127.0.0.1", "unknown")
    clock.now += 10
    refused.note("127.0.0.1", "expired")
    told = capsys.readouterr().out
    assert told.count("audit.key_refused") == 2
    assert "others=4" in told
