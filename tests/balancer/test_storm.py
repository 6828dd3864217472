"""Whatever happens to workers, every caller is answered, every task ends, and no slot is lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness.processes.nodes import nodes
from tests.harness.processes.postgres import postgres
from tests.harness.processes.storm import Storm
from tests.harness.sizes import sized

ROUNDS = sized("rounds", short=1, long_form=8)
ERRORS = ('"level":"error"', '"level":"critical"', "Traceback")


@asynccontextmanager
async def storm(
    folder: Path, *, balancers: int, rounds: int, url: str | None = None
) -> AsyncIterator[Storm]:
    """A storm that is over; at its end nothing may be left of it."""
    env = {} if url is None else {"DATABASE_URL": url}
    async with nodes(folder) as started:
        heads = [await started.balancer(f"balancer-{n}", **env) for n in range(balancers)]
        storm = Storm(started, heads, seed=balancers)
        await storm.blow(workers=3, callers=16, rounds=rounds)
        assert storm.seen.wrong == []
        assert storm.seen.answers["sync 200"] > 0
        for task_id in storm.seen.accepted:
            task = (await heads[0].get(f"/tasks/{task_id}", wait_s="30"))["task"]
            assert task["status"] in {"completed", "failed"}, task
        yield storm
        for node in (*heads, *storm.workers):
            await node.until_idle()
        told = [line for node in heads for line in node.process.lines]
        assert [line for line in told if any(error in line for error in ERRORS)] == []


@ROUNDS
async def test_a_balancer_in_a_storm(tmp_path: Path, rounds: int) -> None:
    async with storm(tmp_path, balancers=1, rounds=rounds) as blown:
        assert blown.seen.accepted


@ROUNDS
async def test_balancers_that_share_a_database_in_a_storm(tmp_path: Path, rounds: int) -> None:
    with postgres() as server:
        url = server.create_database()
        async with storm(tmp_path, balancers=2, rounds=rounds, url=url) as blown:
            assert blown.seen.accepted
