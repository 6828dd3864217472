"""A running node for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.slotgrid.intake.nodes import RunningNode, running_node


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    async with running_node() as running:
        yield running
