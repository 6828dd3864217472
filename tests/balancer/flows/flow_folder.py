"""A balancer with flows of its own, and workers that run their steps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

from tests.harness.in_process.balancer import RunningBalancer, running_balancer

ENDED = {"completed", "failed", "cancelled"}


@asynccontextmanager
async def balancer_with(
    folder: Path, flows: dict[str, str], **env: object
) -> AsyncIterator[RunningBalancer]:
    """A balancer whose functions' folder has these flows: YAML without its `kind`."""
    functions = folder / "flows"
    for name, text in flows.items():
        file = functions / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"kind: flow\n{dedent(text)}")
    async with running_balancer(folder, FUNCTIONS_DIR=functions, **env) as running:
        yield running


async def shown(balancer: RunningBalancer, task_id: str) -> Any:
    """The task as `GET /tasks/{id}` shows it."""
    return (await balancer.get(f"/tasks/{task_id}"))["task"]


async def ended(balancer: RunningBalancer, task_id: str, within_s: float = 60.0) -> Any:
    """The task once it has ended."""
    task: Any = None
    async with asyncio.timeout(within_s):
        while task is None or task["status"] not in ENDED:
            path = f"/tasks/{task_id}?wait_s=5"
            task = (await balancer.get(path))["task"]
    return task


async def run(balancer: RunningBalancer, flow: str, **given: Any) -> Any:
    """A flow that was submitted in mode async, once it has ended."""
    answer = await balancer.submit(flow, input=given, mode="async")
    assert answer.status == 202, answer.body
    return await ended(balancer, answer.json["id"])


def states(task: Any) -> dict[str, str]:
    """The states of the steps by name, without instances."""
    return {step["name"]: step["status"] for step in task["steps"] if "[" not in step["name"]}


async def follower(balancer: RunningBalancer, flow: str) -> Any:
    """The one task that follows a flow, as a row of the list, once it is there."""
    async with asyncio.timeout(20):
        while True:
            listed = (await balancer.get("/tasks?source=flow"))["tasks"]
            if found := [one for one in listed if one["source"]["id"] == flow]:
                (one,) = found
                return one
            await asyncio.sleep(0.05)
