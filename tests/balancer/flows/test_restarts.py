"""A balancer that drains amid a flow, and workers that die while they run its steps."""

import asyncio
import signal
from pathlib import Path
from typing import Any

from tests.balancer.flows.flow_folder import balancer_with, ended, states
from tests.harness.calls import events_of
from tests.harness.processes.nodes import Node, nodes

FLOW = """
kind: flow
steps:
  - {name: sleeps, function: sure_nap, with: {seconds: 1}}
  - {name: each, for_each: [1, 2, 3], function: echo, with: {value: "{{ item }}"}}
return: "{{ steps.each.output }}"
"""


async def streamed(node: Node, flow: str) -> list[tuple[str, Any]]:
    """What a stream says of a flow."""
    body = {"function": flow, "mode": "stream"}
    async with node.caller.post(f"{node.url}/task", json=body) as response:
        return await events_of(response)


async def test_a_flow_goes_on_after_a_drain_and_its_caller_is_told(tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    (flows / "pieces.yaml").write_text(FLOW)
    env: dict[str, object] = {"FUNCTIONS_DIR": flows, "DRAIN_S": 20}
    async with nodes(tmp_path) as started:
        first = await started.balancer("balancer-1", **env)
        await started.worker("worker-1", first)
        await first.until_ready_workers(1)
        caller = asyncio.create_task(first.submit("pieces"))
        stream = asyncio.create_task(streamed(first, "pieces"))
        await first.until_used(2)
        first.process.send(signal.SIGTERM)
        answer = await caller
        assert (answer.status, answer.json["type"]) == (503, "/problems/draining"), answer.body
        said = await stream
        assert [kind for kind, _ in said].count("error") == 1
        assert said[-1][1]["type"] == "/problems/draining"
        assert await asyncio.to_thread(first.process.wait) == 0
        port = first.url.rpartition(":")[2]
        again = await started.balancer("balancer-1", **env, PORT=port)
        await again.until_ready_workers(1)
        for task_id in (answer.json["task_id"], said[-1][1]["task_id"]):
            async with asyncio.timeout(30):
                task = (await again.get(f"/tasks/{task_id}?wait_s=25"))["task"]
            assert (task["status"], task["result"]) == ("completed", [1, 2, 3]), task
        await again.until_idle()


async def test_a_step_whose_worker_dies_runs_again_if_it_says_so(tmp_path: Path) -> None:
    flow = """
    steps:
      - {name: sleeps, function: nap, with: {seconds: 60}, retry: {attempts: 2, delay_s: 0}}
    on_error: {function: echo, input: {value: "{{ error.message }}"}}
    """
    once = "steps: [{name: sleeps, function: nap, with: {seconds: 60}}]"
    async with balancer_with(tmp_path, {"sure": flow, "once": once}) as balancer:
        worker = await balancer.worker("worker-1")
        sure = await balancer.submit("sure", mode="async")
        fails = await balancer.submit("once", mode="async")
        await balancer.until_running(2)
        worker.kill()
        task = await ended(balancer, fails.json["id"])
        assert states(task) == {"sleeps": "failed"}
        assert "was lost" in task["error"]["detail"]
        await balancer.worker("worker-2")
        await balancer.until_running(1)
        (child,) = (await balancer.get(f"/tasks?parent={sure.json['id']}"))["tasks"]
        detail = (await balancer.get(f"/tasks/{child['id']}"))["task"]
        assert [attempt["worker"] for attempt in detail["attempts"]] == ["worker-1", "worker-2"]
        await balancer.request("POST", f"/tasks/{sure.json['id']}/cancel")
        assert (await ended(balancer, sure.json["id"]))["status"] == "cancelled"
        await balancer.idle()
