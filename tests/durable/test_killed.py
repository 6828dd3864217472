"""`kill -9` at each point of a task's life: nothing is lost, nothing runs twice undeclared."""

from operator import attrgetter
from pathlib import Path

import pytest

from tests.harness.processes.deaths import ATTEMPT_MADE, DEATHS, RUNS_TWICE, Death


@pytest.mark.parametrize("death", [*DEATHS, ATTEMPT_MADE], ids=attrgetter("name"))
async def test_a_node_that_dies_there_loses_nothing(tmp_path: Path, death: Death) -> None:
    await death.loses_nothing(tmp_path)


@pytest.mark.parametrize("death", RUNS_TWICE, ids=attrgetter("name"))
async def test_what_may_run_twice_runs_again(tmp_path: Path, death: Death) -> None:
    await death.loses_nothing(tmp_path, "again")
