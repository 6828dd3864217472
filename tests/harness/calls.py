"""Somebody who calls a node over HTTP, as the tests of both kinds of node do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import ClientResponse, ClientSession, ClientTimeout, TCPConnector

GIVE_UP_S = 20.0
"""For what takes a fraction of a second on an idle machine."""
IN_PROCESS_STALL_S = "60"
"""LOOP_STALL_S of a node in the tests' own process: its watchdog would end them all."""


@dataclass(frozen=True)
class Answer:
    """What a request was answered with."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Calls:
    """What can be asked of a node by way of `caller`."""

    caller: ClientSession

    async def request(self, method: str, path: str, **asked: Any) -> Answer:
        async with self.caller.request(method, path, **asked) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def get(self, path: str, **params: str) -> Any:
        """The JSON at a path that is there."""
        answer = await self.request("GET", path, params=params)
        assert answer.status == 200, answer.body
        return answer.json

    async def submit(self, function: str, **fields: Any) -> Answer:
        """The answer to a task, whatever it is; `fields` as of `POST /task`."""
        return await self.request("POST", "/task", json={"function": function, **fields})

    async def call(self, function: str, **given: Any) -> Any:
        """The result of a task that goes well."""
        answer = await self.submit(function, input=given)
        assert answer.status == 200, answer.body
        return answer.json["result"]

    async def stream(self, function: str, **given: Any) -> list[tuple[str, Any]]:
        """Every event of a task in mode stream, as kind and payload."""
        body = {"function": function, "input": given, "mode": "stream"}
        async with self.caller.post("/task", json=body) as response:
            return await events_of(response)


def a_caller(url: str | None, key: str, *, give_up_s: float, at_once: int = 0) -> ClientSession:
    """A session with the node at `url`, or with any node; `at_once` limits its connections."""
    return ClientSession(
        url,
        headers={"Authorization": key},
        timeout=ClientTimeout(total=give_up_s),
        connector=TCPConnector(limit=at_once),
    )


async def events_of(response: ClientResponse) -> list[tuple[str, Any]]:
    """Every event of a server-sent stream, when it has ended."""
    assert response.status == 200, await response.text()
    text = await response.text()
    frames = [frame for frame in text.split("\n\n") if frame and not frame.startswith(":")]
    events = []
    for frame in frames:
        lines = dict(line.split(": ", 1) for line in frame.splitlines())
        events.append((lines["event"], orjson.loads(lines["data"])))
    return events
