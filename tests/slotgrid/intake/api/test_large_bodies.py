"""Bodies that are large, or hostile in their shape: refused in few words, off the event loop."""

import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.core import admission
from slotgrid.tasks.large_input import LARGE_BODY_BYTES
from tests.harness.in_process.node import RunningNode, running_node

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")

ANSWER_MOST = 100_000
MANY = 100_000


@pytest.fixture
async def node(aiohttp_client: AiohttpClient) -> AsyncIterator[RunningNode]:
    async with running_node(aiohttp_client, body_limit=10 * 1024 * 1024, durable=True) as running:
        yield running


LONG = "x" * 1_000_000
HOSTILE: list[tuple[str, Any]] = [
    ("name of brackets", {"function": "greet", "input": {"name": [[]] * MANY}}),
    ("unknown keys", {"function": "greet", "input": {f"k{n}": 1 for n in range(MANY)}}),
    ("unknown fields", {f"field {n}": 1 for n in range(MANY)}),
    ("long function", {"function": LONG}),
    ("long field", {"function": "echo", LONG: 1}),
    ("long group", {"function": "echo", "group": LONG}),
    ("long mode", {"function": "echo", "mode": LONG}),
    ("long time", {"function": "echo", "mode": "async", "not_before": LONG}),
    ("long pool", {"function": "echo", "place": {"pool": LONG}}),
    ("long worker", {"function": "echo", "place": {"worker": LONG}}),
    ("many labels", {"function": "echo", "place": {"labels": {f"k{n}": "v" for n in range(MANY)}}}),
    (
        "many headers",
        {
            "function": "echo",
            "mode": "webhook",
            "webhook": {"url": "http://x", "headers": {f"k{n}": "v" for n in range(MANY)}},
        },
    ),
    (
        "long header",
        {
            "function": "echo",
            "mode": "webhook",
            "webhook": {"url": "http://x", "headers": {LONG: LONG}},
        },
    ),
    ("metadata of a list", {"function": "echo", "metadata": [1] * MANY}),
    ("long value", {"function": "greet", "input": {"name": {"a": LONG}}}),
]


@pytest.mark.parametrize("body", [body for _, body in HOSTILE], ids=[name for name, _ in HOSTILE])
async def test_a_hostile_body_is_refused_in_few_words(node: RunningNode, body: Any) -> None:
    async with node.caller.post("/task", json=body) as response:
        told = await response.read()
    assert 400 <= response.status < 500, told[:500]
    assert len(told) < ANSWER_MOST
    assert (await node.submit("echo", {"value": 1}))["result"] == 1


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"[" * 1_000_000, 400),
        (b'{"function": "echo", "input": {"value": ' + b"[" * 500 + b"]" * 500 + b"}}", 400),
        (b'{"function": "echo", "input": {"value": 1' + b"0" * 5000 + b"}}", 400),
        (b'{"function": "echo", "function": "echo", "input": {"value": 1, "value": 2}}', 200),
        (b'{"function": "echo", "input": {"value": "\\ud800"}}', 400),
    ],
)
async def test_json_at_its_edges_has_an_answer(node: RunningNode, raw: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    async with node.caller.post("/task", data=raw, headers=headers) as response:
        told = await response.read()
    assert response.status == status, told[:300]
    assert len(told) < ANSWER_MOST


async def test_a_batch_of_a_thousand_faults_is_refused_in_few_words(node: RunningNode) -> None:
    tasks = [{"function": "greet", "input": {"name": ["x" * 5000]}} for _ in range(1000)]
    problem = await node.problem("POST", "/tasks", json={"tasks": tasks})
    assert problem["status"] == 400
    assert len(json.dumps(problem)) < ANSWER_MOST
    problem = await node.problem("POST", "/tasks", json={f"k{n}": 1 for n in range(MANY)})
    assert problem["errors"] == [
        {"pointer": "/k0", "message": "unknown field; there is only `tasks`"}
    ]


@pytest.mark.parametrize("path", ["/task", "/functions/echo", "/tasks"])
async def test_a_large_input_is_checked_off_the_loop(
    node: RunningNode, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops: set[bool] = set()
    check = admission.checked_input

    def checked(*given: Any) -> Any:
        loops.add(threading.current_thread() is threading.main_thread())
        return check(*given)

    monkeypatch.setattr(admission, "checked_input", checked)
    given = {"value": "x" * LARGE_BODY_BYTES}
    task = {"function": "echo", "input": given}
    body = {"/task": task, "/functions/echo": given, "/tasks": {"tasks": [task]}}[path]
    async with node.caller.post(path, json=body) as response:
        assert response.status in {200, 202}, await response.text()
    assert loops == {False}
