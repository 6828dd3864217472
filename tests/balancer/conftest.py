"""A balancer for one test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.in_process.balancer import RunningBalancer, running_balancer


@pytest.fixture
async def balancer(tmp_path: Path) -> AsyncIterator[RunningBalancer]:
    """A balancer without workers; they dial in."""
    async with running_balancer(tmp_path) as running:
        yield running
