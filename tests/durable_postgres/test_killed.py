"""As on SQLite: `kill -9` at each point of a task's life, the tasks on PostgreSQL."""

from operator import attrgetter
from pathlib import Path

import pytest

from tests.harness.processes.deaths import DEATHS, Death


@pytest.mark.parametrize("death", DEATHS, ids=attrgetter("name"))
async def test_a_node_that_dies_there_loses_nothing(
    tmp_path: Path, database_url: str, death: Death
) -> None:
    await death.loses_nothing(tmp_path, DATABASE_URL=database_url)
