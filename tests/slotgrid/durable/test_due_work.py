"""The loop that does what is due, on a database of its own."""

import asyncio
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from slotgrid.durable.due_work import DueWork
from slotgrid.records.database import Database
from slotgrid.records.engines import engine_of
from slotgrid.records.store import due
from slotgrid.records.store.due import DueClaim, DueKind
from slotgrid.records.tables import due as table
from tests.slotgrid.records.recorded import NODE

GIVE_UP_S = 30.0
HOUR_S = 3600.0


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(engine_of(None, tmp_path, pool=4))
    async with database.running():
        yield database


class Acts:
    """Fulfils `DueHandler`: notes each claim, waits for `gate`, then removes the row."""

    def __init__(self, database: Database, *, at_once: int = 8, lease_s: float = HOUR_S) -> None:
        self._database = database
        self.at_once = at_once
        self.lease_s = lease_s
        self.claims: list[DueClaim] = []
        self.under_way = 0
        self.most = 0
        self.gate = asyncio.Event()
        self.fails = False

    async def act(self, claim: DueClaim) -> None:
        self.claims.append(claim)
        if self.fails:
            raise KeyError("a defect")
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.gate.wait()
        self.under_way -= 1
        await self._database.write(lambda c: due.remove(c, claim))

    async def until(self, count: int) -> None:
        """Return when so many claims were acted on."""
        async with asyncio.timeout(GIVE_UP_S):
            while len(self.claims) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


async def schedule(database: Database, *refs: str, node: str | None = NODE) -> None:
    await database.write(lambda c: due.schedule_now(c, DueKind.WEBHOOK, refs, node))


async def left(database: Database) -> Collection[str]:
    return await database.read(lambda c: set(c.execute(sa.select(table.c.ref)).scalars()))


async def until_none_left(database: Database) -> None:
    async with asyncio.timeout(GIVE_UP_S):
        while await left(database):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def shift(database: Database, seconds: float) -> None:
    """Everything is due so much later."""
    moved = table.update().values(due_at=table.c.due_at + seconds)
    await database.write(lambda c: c.execute(moved) and None)


async def test_what_is_due_is_done_once_and_removed(database: Database) -> None:
    acts, work = Acts(database), DueWork(database, NODE)
    acts.gate.set()
    await schedule(database, "a", "b")
    await schedule(database, "of another node", node="node-2")
    await schedule(database, "of any node", node=None)
    async with work.running({DueKind.WEBHOOK: acts}):
        await acts.until(3)
        await schedule(database, "c")
        work.wake()
        await acts.until(4)
        async with asyncio.timeout(GIVE_UP_S):
            while await left(database) != {"of another node"}:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert sorted(claim.ref for claim in acts.claims) == ["a", "b", "c", "of any node"]
    assert {claim.attempt for claim in acts.claims} == {1}


async def test_acts_run_at_once_within_the_bound(database: Database) -> None:
    acts, work = Acts(database, at_once=3), DueWork(database, NODE)
    await schedule(database, *(f"task-{n}" for n in range(10)))
    async with work.running({DueKind.WEBHOOK: acts}):
        await acts.until(3)
        work.wake()
        await asyncio.sleep(0.05)  # a loop without a bound would have begun the others
        assert len(acts.claims) == 3
        acts.gate.set()
        await until_none_left(database)
    assert acts.most == 3
    assert len(acts.claims) == len({claim.ref for claim in acts.claims}) == 10


async def test_what_is_not_due_yet_waits_for_its_time(database: Database) -> None:
    acts, work = Acts(database), DueWork(database, NODE)
    acts.gate.set()
    await schedule(database, "soon")
    await shift(database, 0.4)
    await schedule(database, "later")
    await database.write(
        lambda c: (
            c.execute(
                table.update().where(table.c.ref == "later").values(due_at=table.c.due_at + HOUR_S)
            )
            and None
        )
    )
    async with work.running({DueKind.WEBHOOK: acts}):
        assert acts.claims == []
        await acts.until(1)
        await until_gone(database, "soon")
        assert await left(database) == {"later"}


async def until_gone(database: Database, ref: str) -> None:
    async with asyncio.timeout(GIVE_UP_S):
        while ref in await left(database):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_the_next_process_does_at_once_what_the_last_had_claimed(database: Database) -> None:
    acts = Acts(database)
    await schedule(database, "a")
    async with DueWork(database, NODE).running({DueKind.WEBHOOK: acts}):
        await acts.until(1)
    assert await left(database) == {"a"}  # claimed for an hour by a process that has ended
    acts.gate.set()
    async with DueWork(database, NODE).running({DueKind.WEBHOOK: acts}):
        await until_none_left(database)
    assert len(acts.claims) == 2


async def test_a_claim_that_ran_out_during_an_act_is_not_made_again_meanwhile(
    database: Database,
) -> None:
    acts, work = Acts(database, lease_s=0.01), DueWork(database, NODE)
    await schedule(database, "slow")
    async with work.running({DueKind.WEBHOOK: acts}):
        await acts.until(1)
        for _ in range(3):
            await asyncio.sleep(0.02)
            work.wake()
            await schedule(database, f"next-{_}")
        await acts.until(4)
        assert sorted({claim.ref for claim in acts.claims}) == [
            "next-0", "next-1", "next-2", "slow",
        ]  # fmt: skip
        assert [claim.ref for claim in acts.claims].count("slow") == 1
        acts.gate.set()
        await until_none_left(database)


async def test_work_that_is_scheduled_anew_is_done_after_the_act_under_way(
    database: Database,
) -> None:
    acts, work = Acts(database), DueWork(database, NODE)
    await schedule(database, "a")
    async with work.running({DueKind.WEBHOOK: acts}):
        await acts.until(1)
        await schedule(database, "a")
        acts.gate.set()
        await acts.until(2)
        await until_none_left(database)


async def test_a_defect_of_an_act_stops_no_other_and_is_tried_again(database: Database) -> None:
    acts, work = Acts(database, lease_s=0.05), DueWork(database, NODE)
    acts.fails = True
    acts.gate.set()
    await schedule(database, "a", "b")
    async with work.running({DueKind.WEBHOOK: acts}):
        await acts.until(2)
        acts.fails = False
        await until_none_left(database)
    assert len(acts.claims) >= 4


async def test_a_lost_right_to_the_table_ends_no_loop(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, faults = due.seconds_until_next, iter([True])

    def once(*args: Any, **named: Any) -> float | None:
        if next(faults, False):
            raise sa.exc.ProgrammingError("", None, Exception("permission denied"))
        return look(*args, **named)

    monkeypatch.setattr(due, "seconds_until_next", once)
    acts, work = Acts(database), DueWork(database, NODE)
    acts.gate.set()
    await schedule(database, "a")
    async with work.running({DueKind.WEBHOOK: acts}):
        await until_none_left(database)
    assert next(faults, None) is None
    assert [claim.ref for claim in acts.claims] == ["a"]


async def test_an_idle_loop_looks_seldom_and_writes_nothing(database: Database) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    async with DueWork(database, NODE).running({DueKind.WEBHOOK: Acts(database)}):
        await asyncio.sleep(0.1)
        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            await asyncio.sleep(0.5)
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert not [text for text in statements if not text.lstrip().startswith("SELECT")]
    assert len(statements) <= 2
