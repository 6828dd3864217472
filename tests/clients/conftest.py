"""A worker of functions that are hard to describe, and a balancer in front of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.processes.nodes import Node, nodes

FUNCTIONS = Path(__file__).parent / "functions"


@dataclass(frozen=True)
class Served:
    """A node, and the file that holds its document."""

    node: Node
    document: Path


@pytest.fixture(params=["worker", "balancer"])
async def served(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    async with nodes(tmp_path) as started:
        balancer = await started.balancer("balancer")
        worker = await started.worker("worker", balancer, FUNCTIONS_DIR=FUNCTIONS)
        await balancer.until_ready_workers(1)
        node = worker if request.param == "worker" else balancer
        document = tmp_path / "openapi.json"
        document.write_bytes((await node.request("GET", "/openapi")).body)
        yield Served(node, document)
        await node.until_idle()
