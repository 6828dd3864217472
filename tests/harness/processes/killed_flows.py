"""Flows whose balancer is killed at a given point, and what must be true of them afterwards."""

import asyncio
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import ClientError

from tests.harness.calls import Answer
from tests.harness.environment import KEY, LINK_KEY, LOOPBACK, clean_environment
from tests.harness.processes.nodes import Node, Nodes
from tests.harness.processes.process import Process
from tests.harness.processes.starting import url_of

ROOT = Path(__file__).resolve().parents[3]
LINE = '''
from pathlib import Path
from slotgrid.function import Context, function

@function(timeout_s=60)
async def line(context: Context, file: str, text: str) -> str:
    """Add a line; must not run twice."""
    with Path(file).open("a") as lines:
        lines.write(text + "\\n")
    return text
'''
FLOW = """
kind: flow
input: {file: string, name: string}
steps:
  - name: sure
    function: line
    retry: {attempts: 9, delay_s: 0.05, backoff: fixed}
    with: {file: "{{ input.file }}", text: "{{ input.name }} sure"}
  - name: each
    for_each: [a, b, c]
    function: line
    retry: {attempts: 9, delay_s: 0.05, backoff: fixed}
    with: {file: "{{ input.file }}", text: "{{ input.name }} each {{ item }}"}
  - {name: never, needs: [sure], when: "{{ false }}", function: line}
  - name: once
    needs: [sure]
    continue_on_error: true
    function: line
    with: {file: "{{ input.file }}", text: "{{ input.name }} once"}
  - name: last
    needs: [each, never, once]
    function: line
    retry: {attempts: 9, delay_s: 0.05, backoff: fixed}
    with: {file: "{{ input.file }}", text: "{{ input.name }} {{ steps.each.output|length }}"}
return: "{{ steps.last.output }}"
on_success:
  function: line
  input: {file: "{{ input.file }}", text: "{{ input.name }} told"}
"""
CHILDREN = 6
"""Tasks of the steps of one flow."""
ENDS_WITHIN_S = 120


class KilledFlows:
    """A balancer that is killed at a point and started again, and a worker that lives on."""

    def __init__(self, root: Path, nodes: Nodes, **env: object) -> None:
        self.root = root
        self._nodes = nodes
        self._env = env
        self._ports: dict[str, int] = {}
        self._functions = root / "balancer-functions"
        self._functions.mkdir()
        (self._functions / "pieces.yaml").write_text(FLOW)
        self.lines = root / "lines"
        self.ids: dict[str, str] = {}

    async def loses_nothing(
        self, point: str, count: int, *, flows: int, peer: bool = False
    ) -> None:
        """Flows that a death interrupts end as if there had been none.

        The balancer is started again, or a `peer` on its database takes over.
        """
        faulty = "tests.harness.processes.faulty_balancer"
        dying = await self._start("balancer-1", "-m", faulty, point, str(count))
        node = await self._start("balancer-2", "-m", "balancer") if peer else dying
        worker_functions = self.root / "functions"
        worker_functions.mkdir(exist_ok=True)
        (worker_functions / "line.py").write_text(LINE)
        await self._nodes.worker("worker-1", *{dying: None, node: None}, SLOTS=4)
        names = [f"flow-{number}" for number in range(flows)]
        await self._submit(dying, names)
        status = await asyncio.to_thread(dying.process.wait)
        assert status == -9, (point, dying.process.said)
        if not peer:
            node = await self._start("balancer-1", "-m", "balancer")
        await node.until_ready_workers(1)
        while len(self.ids) < flows:  # a connection to the dead one may still be in the pool
            await self._submit(node, [name for name in names if name not in self.ids])
        await self._submit(node, names)
        for name in names:
            await self._check(node, name)
        await node.until_idle()
        async with asyncio.timeout(20):  # the number is exact once nothing changes
            while (await node.get("/health"))["durable"]["waiting"] != 0:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def _check(self, node: Node, name: str) -> None:
        task = await _ended(node, self.ids[name])
        assert (task["status"], task["result"]) == ("completed", f"{name} 3"), task
        states = {step["name"]: step["status"] for step in task["steps"]}
        once = states.pop("once")
        assert once in {"completed", "failed"}, task
        assert states == {
            **dict.fromkeys(("sure", "each", "each[0]", "each[1]", "each[2]", "last"), "completed"),
            "never": "skipped",
        }, task
        children = await node.get(f"/tasks?parent={task['id']}")
        assert children["total"] == CHILDREN
        told = await self._follower(node, task["id"])
        said = Counter(line for line in self.lines.read_text().splitlines())
        for text in ("sure", "each a", "each b", "each c", "3"):
            assert said[f"{name} {text}"] >= 1, text
        for text, status in (("once", once), ("told", told["status"])):
            assert said[f"{name} {text}"] <= 1, f"{text} must not run twice"
            assert said[f"{name} {text}"] == 1 or status == "failed"

    async def _follower(self, node: Node, flow: str) -> Any:
        """The one task that follows a flow, once it has ended."""
        async with asyncio.timeout(ENDS_WITHIN_S):
            while True:
                listed = (await node.get("/tasks?source=flow&limit=1000"))["tasks"]
                if found := [one for one in listed if one["source"]["id"] == flow]:
                    break
                await asyncio.sleep(0.2)
        (told,) = found
        return await _ended(node, told["id"])

    async def _submit(self, node: Node, names: list[str]) -> None:
        """Send each flow, under the key of its name; a node that dies meanwhile may take it."""
        gate = asyncio.Semaphore(16)

        async def one(name: str) -> None:
            async with gate:
                with suppress(ClientError, OSError):
                    answer = await self._post(node, name)
                    assert answer.status == 202, answer.body
                    known = self.ids.setdefault(name, answer.json["id"])
                    assert known == answer.json["id"], "one key, two flows"

        await asyncio.gather(*map(one, names))

    async def _post(self, node: Node, name: str) -> Answer:
        given = {"file": str(self.lines), "name": name}
        body = {"function": "pieces", "mode": "async", "input": given}
        return await node.request("POST", "/task", json=body, headers={"Idempotency-Key": name})

    async def _start(self, name: str, *words: str) -> Node:
        """A balancer, on the same data and port as before."""
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        settings = {
            "PORT": self._ports.get(name, 0),
            "AUTH_KEY": KEY,
            "BALANCER_KEY": LINK_KEY,
            "NODE_NAME": name,
            "DATA_DIR": folder / "data",
            "FUNCTIONS_DIR": self._functions,
            "LOG_FORMAT": "json",
            "PYTHONPATH": ROOT,
            **LOOPBACK,
            **self._env,
        }
        env = {name: str(value) for name, value in settings.items()}
        process = Process([sys.executable, *words], cwd=folder, env={**clean_environment(), **env})
        node = self._nodes.adopt(name, process, await url_of("balancer", process))
        self._ports[name] = int(node.url.rpartition(":")[2])
        return node


async def _ended(node: Node, task_id: str) -> Any:
    async with asyncio.timeout(ENDS_WITHIN_S):
        while True:
            answer = await node.request("GET", f"/tasks/{task_id}?wait_s=10")
            assert answer.status == 200, answer.body
            task = answer.json["task"]
            if task["status"] in {"completed", "failed", "cancelled"}:
                return task
