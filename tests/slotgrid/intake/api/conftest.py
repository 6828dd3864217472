"""A task that runs for as long as the test wants."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from slotgrid.core.task import Task
from tests.harness.in_process.node import RunningNode


@pytest.fixture
async def holding(node: RunningNode) -> AsyncIterator[Task]:
    """A task that runs until the test opens the gate, or ends it."""
    call = asyncio.create_task(_whole_stream(node))
    yield await node.running_task()
    node.runner.gate.set()
    await call


async def _whole_stream(node: RunningNode) -> None:
    async with node.caller.post("/task", json={"function": "hold", "mode": "stream"}) as answer:
        await answer.read()
