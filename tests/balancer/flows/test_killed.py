"""`kill -9` of the balancer at each point of a flow: nothing is lost, nothing is done twice."""

from pathlib import Path

import pytest

from tests.harness.processes.faulty_balancer import POINTS
from tests.harness.processes.killed_flows import KilledFlows
from tests.harness.processes.nodes import nodes
from tests.harness.sizes import long

MANY = 200


@pytest.mark.parametrize("flows", [12, long(MANY)])
@pytest.mark.parametrize("point", POINTS)
async def test_a_flow_goes_on_where_its_balancer_was_killed(
    tmp_path: Path, point: str, flows: int
) -> None:
    async with nodes(tmp_path) as started:
        await KilledFlows(tmp_path, started).loses_nothing(point, flows // 2, flows=flows)
