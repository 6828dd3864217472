"""Going to pages."""

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_goto(world: World) -> None:
    (opened,) = await world.example("goto")
    assert opened["url"] == world.site.at("/catalogue")
    assert opened["status"] == 200
    assert opened["loaded"]
