"""A running service for each test, in memory or with a database."""

from collections.abc import AsyncIterator

import pytest

from tests.slotgrid.tasks.services import RunningService, running_service


@pytest.fixture
async def service() -> AsyncIterator[RunningService]:
    async with running_service() as running:
        yield running


@pytest.fixture
async def durable() -> AsyncIterator[RunningService]:
    async with running_service(durable=True) as running:
        yield running
