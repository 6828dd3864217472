"""As on SQLite: `kill -9` of a balancer amid its flows; started again, or taken over by a peer."""

from pathlib import Path

import pytest

from tests.harness.processes.faulty_balancer import POINTS
from tests.harness.processes.killed_flows import KilledFlows
from tests.harness.processes.nodes import nodes
from tests.harness.sizes import long

FEW, MANY = 12, 200
TELLING = ("begun", "step started, not committed", "step ended", "flow ended, not committed")
"""One point of each part of a flow's life."""


@pytest.mark.parametrize(
    ("point", "flows"),
    [*((point, FEW) for point in TELLING), *(long(point, MANY) for point in POINTS)],
)
async def test_a_flow_goes_on_where_its_balancer_was_killed(
    tmp_path: Path, database_url: str, point: str, flows: int
) -> None:
    async with nodes(tmp_path) as started:
        killed = KilledFlows(tmp_path, started, DATABASE_URL=database_url)
        await killed.loses_nothing(point, flows // 2, flows=flows)


@pytest.mark.parametrize(
    ("point", "flows"),
    [("step ended", FEW), ("flow ended", FEW), *(long(point, MANY) for point in TELLING)],
)
async def test_a_peer_goes_on_with_the_flows_of_a_killed_balancer(
    tmp_path: Path, database_url: str, point: str, flows: int
) -> None:
    async with nodes(tmp_path) as started:
        killed = KilledFlows(tmp_path, started, DATABASE_URL=database_url)
        await killed.loses_nothing(point, flows // 2, flows=flows, peer=True)
