"""The points of a task's life at which its node is killed, for either database.

A point is where the node itself ends its process, by a hook around its parts (`faulty_node`) or in
the function that it runs. Only for those that wait does the test end it: then nothing moves.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.harness.in_process.durable_worker import GIVE_UP_S
from tests.harness.processes.killing import SLOTS, Killed, KilledNode, assert_nothing_lost, killed

MANY = 250


@dataclass(frozen=True)
class Death:
    """Where a node dies: `until` hands tasks over and returns when it is dead or has to die.

    At most `lost` tasks may fail since nobody knows whether they took effect. A hook ends the node
    when it comes to its point for the `count`-th time. Of each task, the first `refusing` webhooks
    are answered with 500.
    """

    name: str
    until: Callable[[Killed, KilledNode, str], Awaitable[None]]
    hook: str | None = None
    count: int = MANY // 2
    lost: int = SLOTS
    refusing: int = 0

    async def loses_nothing(self, root: Path, function: str = "once", **env: str) -> None:
        """Let a node with these settings die there, and see its tasks through after it.

        The function is `once`, or `again`, which declares that it may run twice.
        """
        twice = function == "again"
        async with killed(root, refusing=self.refusing, **env) as home:
            hook = () if self.hook is None else (self.hook, str(self.count))
            async with home.node(*hook) as node:
                await self.until(home, node, function)
                await node.died()
            await assert_nothing_lost(home, lost=0 if twice else self.lost, twice=twice)


async def _handed_over(_: Killed, node: KilledNode, function: str) -> None:
    await node.submit_many(function, MANY)


async def _sent(home: Killed, node: KilledNode, function: str) -> None:
    await node.submit_many(function, MANY)
    await node.died()
    async with asyncio.timeout(GIVE_UP_S):  # the last one is in the receiver's buffer at least
        while len(home.told.received) < MANY // 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def _all_wait(home: Killed, node: KilledNode, function: str) -> None:
    gate = {"until": str(home.root / "gate")}
    holding = [asyncio.create_task(node.hold(gate)) for _ in range(SLOTS)]
    while (await node.get("/health"))["slots"]["used"] < SLOTS:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await node.submit_many(function, MANY)
    assert len(home.ids) == MANY
    node.kill()
    await asyncio.gather(*holding)


async def _function_kills(home: Killed, node: KilledNode, function: str) -> None:
    deadly = home.root / "deadly"
    await node.submit_many(function, MANY // 2)
    deadly.touch()
    await asyncio.gather(
        *(node.submit(function, f"late-{n}", deadly=str(deadly)) for n in range(MANY // 2))
    )


DEATHS = [
    # Many are inserted by one call, so that the fifth is well under way.
    Death("before the commit", _handed_over, "inserted, not committed", count=5),
    Death("committed, not answered", _handed_over, "committed, not answered"),
    Death("queued", _all_wait, lost=0),
    Death("leased", _handed_over, "leased"),
    Death("started", _handed_over, "started"),
    Death("mid-run", _function_kills),
    Death("result computed", _handed_over, "result computed"),
    Death("result recorded", _handed_over, "result recorded"),
    Death("webhook claimed", _handed_over, "webhook claimed"),
    Death("webhook sent and unanswered", _sent, "webhook sent"),
    Death("between attempts", _handed_over, "between attempts", refusing=1),
]

# There are as many first attempts as tasks: among so many more are second ones.
ATTEMPT_MADE = Death("attempt made", _handed_over, "attempt made", count=MANY + 50, refusing=2)
"""Before it is recorded that it was made: costly, and told from the last by little."""

RUNS_TWICE = [death for death in DEATHS if death.name in {"started", "mid-run", "result computed"}]
"""Where a task that may run twice does."""
