"""A worker of the first protocol, 1.0, as it spoke: its words stand here and nowhere else.

Of what it said only what 1.0 requires, and no line of it is made by our own code. Later minor
versions may add to the messages; they have to go on understanding these.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from string import Template
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from balancer.fleet.worker_states import WorkerState
from tests.harness.environment import LINK_KEY
from tests.harness.in_process.balancer import RunningBalancer

HELLO = """\
{"type":"hello","protocol":"1.0","version":"0.1.0","name":"veteran","boot":"b1","group":"default",\
"contract":1,"slots":1,"pools":{"default":1},"functions":[{"name":"old","description":"Old.",\
"kind":"python","revision":"r1","input":{"type":"object"},"modes":["sync","stream"],"timeout_s":30}],\
"report":{"type":"report","seq":1,"status":"ready","free":{"default":1},"used":0,"system":{}}}"""
STARTED = '{"type":"started","id":"$id","slot":0,"free":{"default":0},"seq":2}'
SAID = [
    '{"type":"event","id":"$id","number":1,"kind":"chunk","at":1.0,"payload":{"data":"half "}}',
    '{"type":"log","id":"$id","number":1,"at":1.0,"step":"main","stream":"stdout","line":"a line"}',
]
DONE = '{"type":"done","id":"$id","result":{"was":"old"},"free":{"default":1},"seq":3}'
STEP_EVENT = """\
{"type":"event","id":"$id","number":1,"kind":"step","at":1.0,"payload":{"text":"a-1","data":\
{"name":"a-1","function":"a","status":"running","started_at":"2030-01-31T08:00:00.000Z",\
"ended_at":null,"output":null,"error":null}}}"""
DONE_WITH_STEP = """\
{"type":"done","id":"$id","result":1,"free":{"default":1},"seq":3,"steps":[{"name":"a-1",\
"function":"a","status":"completed","started_at":1.0,"ended_at":2.0,"output":5}]}"""
DONE_WITH_TRAFFIC = """\
{"type":"done","id":"$id","result":1,"free":{"default":1},"seq":3,\
"traffic":{"received_bytes":9000,"sent_bytes":700,"latency":5}}"""
FAILED = """\
{"type":"failed","id":"$id","problem":{"type":"/problems/function-failed","title":"It failed",\
"status":500,"detail":"it broke","success":false,"error":"it broke","task_id":"$id"},\
"free":{"default":1},"seq":3}"""
HEARTBEAT = '{"type":"heartbeat"}'


class Veteran:
    """The worker's end of a link, which reads and writes lines."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._lines: list[Any] = []

    async def hear(self, kind: str) -> Any:
        """The next message of that type."""
        while True:
            for number, line in enumerate(self._lines):
                if line["type"] == kind:
                    return self._lines.pop(number)
            frame = await self._socket.receive(timeout=10)
            assert frame.type is WSMsgType.TEXT, frame
            self._lines += map(json.loads, str(frame.data).split("\n"))

    async def say(self, *lines: str, **blanks: str) -> None:
        for line in lines:
            await self._socket.send_str(Template(line).substitute(blanks))


@asynccontextmanager
async def veteran(balancer: RunningBalancer) -> AsyncIterator[Veteran]:
    """One that was welcomed."""
    key = {"Authorization": f"Bearer {LINK_KEY}"}
    url = balancer.url.replace("http", "ws", 1) + "/link"
    async with ClientSession() as session, session.ws_connect(url, headers=key) as socket:
        worker = Veteran(socket)
        await worker.say(HELLO)
        welcome = await worker.hear("welcome")
        assert welcome["protocol"].startswith("1.")
        await worker.say(HEARTBEAT)
        await balancer.until_worker("veteran", WorkerState.READY)
        yield worker


async def test_its_tasks_run_and_what_they_say_is_heard(balancer: RunningBalancer) -> None:
    async with veteran(balancer) as worker:
        caller = balancer.start("old", fields={"mode": "stream"}, a=1)
        task = await worker.hear("task")
        assert (task["function"], task["input"], task["contract"]) == ("old", {"a": 1}, 1)
        await worker.say(STARTED, *SAID, DONE, id=task["id"])
        answer = await caller
        assert answer.status == 200
        assert b'"half "' in answer.body
        assert b'"was":"old"' in answer.body
        await balancer.idle()


async def test_its_steps_are_shown_with_what_it_does_not_say(balancer: RunningBalancer) -> None:
    async with veteran(balancer) as worker:
        caller = balancer.start("old")
        task = await worker.hear("task")
        await worker.say(STARTED, STEP_EVENT, id=task["id"])
        await balancer.until_running(1)
        await worker.say(DONE_WITH_STEP, id=task["id"])
        assert (await caller).status == 200
        [step] = (await balancer.get(f"/tasks/{task['id']}"))["task"]["steps"]
        assert (step["name"], step["status"], step["output"]) == ("a-1", "completed", 5)
        assert (step["action"], step["worker"], step["input"]) == (None, None, None)
        assert (await balancer.get(f"/tasks/{task['id']}"))["task"]["traffic"] is None
        await balancer.idle()


async def test_the_traffic_of_a_later_worker_is_shown(balancer: RunningBalancer) -> None:
    async with veteran(balancer) as worker:
        caller = balancer.start("old")
        task = await worker.hear("task")
        await worker.say(STARTED, id=task["id"])
        await worker.say(DONE_WITH_TRAFFIC, id=task["id"])
        assert (await caller).status == 200
        record = (await balancer.get(f"/tasks/{task['id']}"))["task"]
        assert record["traffic"] == {"received_bytes": 9000, "sent_bytes": 700, "connections": 0}
        await balancer.idle()


async def test_its_failures_are_told(balancer: RunningBalancer) -> None:
    async with veteran(balancer) as worker:
        caller = balancer.start("old")
        task = await worker.hear("task")
        await worker.say(STARTED, FAILED, id=task["id"])
        answer = await caller
        assert (answer.status, answer.json["error"]) == (500, "it broke")
        await balancer.idle()


async def test_a_caller_who_leaves_has_its_task_cancelled_there(balancer: RunningBalancer) -> None:
    async with veteran(balancer) as worker:
        caller = balancer.start("old")
        task = await worker.hear("task")
        await worker.say(STARTED, id=task["id"])
        await balancer.until_running(1)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert (await worker.hear("cancel"))["id"] == task["id"]
        await worker.say(FAILED, id=task["id"])
        await balancer.idle()
