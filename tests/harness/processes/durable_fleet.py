"""Several nodes as processes on one PostgreSQL, and what must be true of their tasks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.harness.peers.receivers import Receiver, receiver
from tests.harness.processes.killing import Killed, KilledNode

GIVE_UP_S = 60.0


class Member(Killed):
    """The home of one of the nodes; they write to one file and know of each other's tasks."""

    def __init__(self, root: Path, told: Receiver, *, name: str, database_url: str) -> None:
        env = {"NODE_NAME": name, "DATABASE_URL": database_url, "SLOTS": "2"}
        super().__init__(root / name, told, **env)
        self._lines = root / "lines"

    @property
    def lines(self) -> Path:
        return self._lines


@asynccontextmanager
async def fleet(root: Path, database_url: str, *names: str) -> AsyncIterator[list[Member]]:
    """Homes for nodes of these names; what they deliver goes to one receiver."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    async with receiver(answer) as told:
        members = [Member(root, told, name=name, database_url=database_url) for name in names]
        for member in members[1:]:
            member.ids, member.sent = members[0].ids, members[0].sent
        yield members


async def hold_slots(node: KilledNode, gate: Path, count: int = 2) -> list[str]:
    """Have so many tasks run on the node until `gate` is there; returns their ids."""
    ids = []
    for n in range(count):
        started = gate.with_name(f"{gate.name}-{node.process.pid}-{n}")
        given = {"until": str(gate), "started": str(started)}
        ids.append(await submit(node, "wait", given))
        await until_there(started)
    return ids


async def submit(node: KilledNode, function: str, given: dict[str, Any], **asked: Any) -> str:
    """The id of a durable task that was just accepted."""
    body = {
        "function": function,
        "mode": "webhook",
        "webhook": {"url": node.home.told.url},
        "input": given,
    }
    async with node._caller.post("/task", json=body, **asked) as answer:
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["id"])


async def task_of(node: KilledNode, task_id: str) -> dict[str, Any]:
    """The record as that node shows it."""
    return dict((await node.get(f"/tasks/{task_id}"))["task"])


async def until_there(path: Path) -> None:
    async with asyncio.timeout(GIVE_UP_S):
        while not path.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until_told(member: Member, task_id: str) -> set[str]:
    """Which ends the receiver was told of the task, once it was told one."""
    async with asyncio.timeout(GIVE_UP_S):
        while task_id not in member.told_of():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return member.told_of()[task_id]


async def until_taken_over(node: KilledNode) -> float:
    """How many seconds the other had been silent, by the database's clock, when that node took
    over from it.
    """
    told = await asyncio.to_thread(node.process.until_event, "peers.took_over")
    return float(told["silent_s"])
