"""`kill -9` at each point of a task's life: nothing is lost, nothing runs twice undeclared."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.durable.killing import Killed, assert_nothing_lost, killed

MANY = 500
SLOTS = 4

# A task that had started when its node died may or may not have taken effect: as many as slots.
# Many are inserted by one call, so that the fifth is well under way.
WHERE = [
    ("inserted, not committed", 5, SLOTS),
    ("committed, not answered", MANY // 2, SLOTS),
    ("leased", MANY // 2, SLOTS),
    ("started", MANY // 2, SLOTS),
    ("result computed", MANY // 2, SLOTS),
    ("result recorded", MANY // 2, SLOTS),
]


@pytest.mark.parametrize(("point", "count", "lost"), WHERE)
async def test_a_node_that_dies_there_loses_nothing(
    tmp_path: Path, point: str, count: int, lost: int
) -> None:
    async with killed(tmp_path) as home:
        async with home.node(point, str(count)) as node:
            await node.submit_many("once", MANY)
            await node.died()
        await assert_nothing_lost(home, lost=lost)


@pytest.mark.parametrize("point", ["started", "result computed"])
async def test_what_may_run_twice_runs_again(tmp_path: Path, point: str) -> None:
    async with killed(tmp_path) as home:
        async with home.node(point, str(MANY // 2)) as node:
            await node.submit_many("again", MANY)
            await node.died()
        await assert_nothing_lost(home, lost=0, twice=True)


async def test_a_node_that_dies_while_everything_waits_loses_nothing(tmp_path: Path) -> None:
    async with killed(tmp_path) as home:
        async with home.node() as node:
            gate = str(home.root / "gate")
            holding = [
                asyncio.create_task(
                    node.post("/task", json={"function": "wait", "input": {"until": gate}})
                )
                for _ in range(SLOTS)
            ]
            while (await node.get("/health"))["slots"]["used"] < SLOTS:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await node.submit_many("once", MANY)
            assert len(home.ids) == MANY
            node.kill()
            await asyncio.gather(*holding, return_exceptions=True)
            await node.died()
        await assert_nothing_lost(home, lost=0)
        assert sum(home.ran().values()) == MANY


@pytest.mark.parametrize(("function", "lost"), [("once", SLOTS), ("again", 0)])
async def test_a_node_that_dies_in_the_middle_of_a_function_loses_nothing(
    tmp_path: Path, function: str, lost: int
) -> None:
    async with killed(tmp_path) as home:
        deadly = home.root / "deadly"
        async with home.node() as node:
            await node.submit_many(function, MANY // 2)
            deadly.touch()
            await asyncio.gather(
                *(node.submit(function, f"late-{n}", deadly=str(deadly)) for n in range(MANY // 2))
            )
            await node.died()
        await assert_nothing_lost(home, lost=lost, twice=function == "again")


async def test_a_node_that_dies_before_its_webhook_is_answered_sends_it_again(
    tmp_path: Path,
) -> None:
    async with killed(tmp_path) as home:
        async with home.node() as node:
            dying = asyncio.create_task(_kill_when_told(home, node.kill))
            await node.submit_many("once", MANY)
            await dying
            await node.died()
        await assert_nothing_lost(home, lost=SLOTS)


async def _kill_when_told(home: Killed, kill: Callable[[], None]) -> None:
    while len(home.told.received) < MANY // 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    kill()


@pytest.mark.parametrize("point", ["attempt made", "between attempts"])
async def test_a_node_that_dies_between_attempts_goes_on_with_them(
    tmp_path: Path, point: str
) -> None:
    async with killed(tmp_path, failing=MANY) as home:
        async with home.node(point, str(MANY // 2)) as node:
            await node.submit_many("once", MANY)
            await node.died()
        await assert_nothing_lost(home, lost=SLOTS)
