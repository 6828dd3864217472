"""Nodes on one PostgreSQL: who is dead, and who takes over. Time passes in the database only."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.durable.takeover import BEAT_S, NameTaken, Peers, Replaced
from slotgrid.records.database import POOL, Database
from slotgrid.records.engines import engine_of
from slotgrid.records.store import due
from slotgrid.records.store import nodes as nodes_store
from slotgrid.records.store.due import DueKind
from slotgrid.records.store.nodes import DEAD_S, Identity
from slotgrid.records.store.rows import Row
from slotgrid.records.tables import due as table
from slotgrid.records.tables import nodes, tasks

LONG_S = DEAD_S + 1
TAKEN_OVER_WITHIN_S = 15.0
MARGIN_S = 3.0
"""For the takeover itself, and for a heartbeat that is late."""


class Watch:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Noting:
    """Fulfils `Survivor`: notes what it is told."""

    def __init__(self) -> None:
        self.settled: list[str] = []
        self.resumed = 0
        self.let_go_times = 0

    async def recover(self, ran: Sequence[Row]) -> None:
        self.settled += [row.id for row in ran]

    async def resume(self) -> None:
        self.resumed += 1

    async def release_tasks(self) -> None:
        self.let_go_times += 1


class Dies(Exception):
    """Stands for the end of the process at this point."""


@contextmanager
def at_each_batch(do: Callable[[], None]) -> Iterator[None]:
    """Before a batch of tasks changes hands, in the thread that writes."""
    take = nodes_store.take_tasks

    def doing(*args: Any, **named: Any) -> Any:
        do()
        return take(*args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodes_store, "take_tasks", doing)
        yield


def dies() -> None:
    raise Dies


class Node:
    """One node's part in it."""

    def __init__(self, database: Database, name: str, contract: int = 1) -> None:
        self.database = database
        self.survivor = Noting()
        self.clock = Watch()
        identity = Identity.of_this_process(name, group="default", contract=contract)
        self.naps: list[float] = []
        self.peers = Peers(database, identity, self.survivor, clock=self.clock, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        if seconds == 2.0:  # the heartbeat: the tests call for each turn themselves
            await asyncio.Event().wait()

    async def run_once(self, *, after_s: float = 0.0) -> None:
        self.clock.now += after_s
        with self.peers.surviving():
            await self.peers.run_once()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(engine_of(database_url, Path(), pool=POOL))
    async with database.running():
        yield database


@asynccontextmanager
async def known(database: Database, *names: str) -> AsyncIterator[list[Node]]:
    """Nodes of these names that have been heard for long."""
    found = [Node(database, name) for name in names]
    async with found[0].peers.known():
        if len(found) == 1:
            yield found
        else:
            async with found[1].peers.known():
                yield found
    # A task that is never awaited here would be a warning, and fail the test.


async def silence(database: Database, name: str, seconds: float) -> None:
    """That node has not been heard for so long."""
    query = nodes.update().where(nodes.c.name == name)
    await database.write(
        lambda c: c.execute(query.values(seen_at=nodes.c.seen_at - seconds)) and None
    )


async def give(database: Database, node: str, *states: str, delivery: str | None = None) -> None:
    """That node has tasks in these states; the id of each is its node and state."""
    rows = [
        {
            "id": f"{node}-{state}",
            "status": state,
            "function": "f",
            "group_name": "default",
            "contract": 1,
            "owner": "root",
            "source": "api",
            "node": node,
            "created_at": 0.0,
            "queue_key": 0.0,
            "class_key": "c",
            "body": "{}",
            "delivery": delivery,
            "summary": "{}",
            "detail": "{}",
        }
        for state in states
    ]
    await database.write(lambda c: c.execute(tasks.insert(), rows) and None)


async def owners(database: Database) -> dict[str, str]:
    def work(connection: sa.Connection) -> dict[str, str]:
        return {row.id: row.node for row in connection.execute(sa.select(tasks))}

    return await database.read(work)


async def test_a_takeover_that_the_database_breaks_is_done_later(database: Database) -> None:
    await give(database, "b", "queued", "running")
    async with known(database, "a", "b") as (a, _):
        batches = 0

        def away_at_the_second() -> None:
            nonlocal batches
            batches += 1
            if batches == 2:
                raise sa.exc.OperationalError("", None, Exception("it is away"))

        a.peers._batch = 1
        await a.run_once(after_s=LONG_S)
        await silence(database, "b", LONG_S)
        with at_each_batch(away_at_the_second), pytest.raises(DatabaseUnavailable):
            await a.run_once()  # the heartbeat's loop goes on with the next
        assert sorted((await owners(database)).values()) == ["a", "b"]
        await a.run_once()  # what is ours by now goes on meanwhile
        assert a.survivor.resumed == 1
        await silence(database, "b", LONG_S)  # the claim is a heartbeat in its place
        await a.run_once()
        assert a.survivor.settled == ["b-running"]
        assert a.survivor.resumed == 2
        assert await owners(database) == {"b-queued": "a", "b-running": "a"}


async def test_many_tasks_change_hands_in_batches_and_only_those_that_ran_are_read(
    database: Database,
) -> None:
    many, batch = 2500, 1000
    await give(database, "b", *(f"queued-{n}" for n in range(many)), "running")
    queued = tasks.update().where(tasks.c.id.startswith("b-queued"))
    await database.write(lambda c: c.execute(queued.values(status="queued")) and None)
    await database.write(
        lambda c: due.schedule_now(c, DueKind.WEBHOOK, [f"due-{n}" for n in range(many)], "b")
    )
    async with known(database, "a", "b") as (a, _):
        transactions = 0

        def note() -> None:
            nonlocal transactions
            transactions += 1

        await a.run_once(after_s=LONG_S)
        await silence(database, "b", LONG_S)
        with at_each_batch(note):
            await a.run_once()
        assert transactions == 4  # the last one finds nothing
        assert a.peers._batch == batch
        assert set((await owners(database)).values()) == {"a"}
        assert (a.survivor.settled, a.survivor.resumed) == (["b-running"], 1)
        claims = await database.write(
            lambda c: due.claim(c, DueKind.WEBHOOK, "a", lease_s=60.0, limit=2 * many)
        )
        assert len(claims) == many


async def test_a_claimed_webhook_is_due_at_once_at_the_peer_and_others_when_they_were(
    database: Database,
) -> None:
    await database.write(lambda c: due.schedule_now(c, DueKind.WEBHOOK, ["claimed"], "b"))
    (lost,) = await database.write(
        lambda c: due.claim(c, DueKind.WEBHOOK, "b", lease_s=3600.0, limit=10)
    )
    await database.write(lambda c: due.schedule_now(c, DueKind.WEBHOOK, ["later"], "b"))
    later = table.update().where(table.c.ref == "later")
    await database.write(lambda c: c.execute(later.values(due_at=table.c.due_at + 3600.0)) and None)
    async with known(database, "a", "b") as (a, _):
        await a.run_once(after_s=LONG_S)
        await silence(database, "b", LONG_S)
        await a.run_once()
    (claim,) = await database.write(
        lambda c: due.claim(c, DueKind.WEBHOOK, "a", lease_s=3600.0, limit=10)
    )
    assert (claim.ref, claim.attempt) == ("claimed", 1)
    assert not await database.write(lambda c: due.remove(c, lost))
    assert await database.write(lambda c: due.remove(c, claim))
    wait_s = await database.read(lambda c: due.seconds_until_next(c, {DueKind.WEBHOOK: ()}, "a"))
    assert wait_s is not None
    assert 3000.0 < wait_s <= 3600.0


@pytest.mark.parametrize("node", [None, "a"])
async def test_of_claims_at_the_same_moment_each_row_goes_to_one(
    database_url: str, database: Database, node: str | None
) -> None:
    many = 200
    refs = [f"task-{n}" for n in range(many)]
    await database.write(lambda c: due.schedule_now(c, DueKind.WEBHOOK, refs, node))
    engine = engine_of(database_url, Path(), pool=4)

    def claim_some(_: int) -> list[str]:
        found: list[str] = []
        for _ in range(many):
            with engine.begin() as connection:
                claims = due.claim(connection, DueKind.WEBHOOK, "a", lease_s=3600.0, limit=7)
            found += [claim.ref for claim in claims]
            if len(found) and not claims:
                break
        return found

    with ThreadPoolExecutor(4) as threads:
        found = list(chain(*threads.map(claim_some, range(4))))
    engine.dispose()
    assert sorted(found) == sorted(refs)


async def test_a_node_that_is_silent_for_long_enough_is_taken_over(database: Database) -> None:
    await give(database, "b", "queued", "running", "completed")
    async with known(database, "a", "b") as (a, _):
        await a.run_once(after_s=LONG_S)
        assert a.survivor.settled == []
        await silence(database, "b", LONG_S)
        await a.run_once()
        assert (a.survivor.settled, a.survivor.resumed) == (["b-running"], 1)
        assert await owners(database) == {
            "b-queued": "a",
            "b-running": "a",
            "b-completed": "b",
        }


@pytest.mark.parametrize("died_s_after_a_look", [0.0, 0.1, 1.0, BEAT_S - 0.1])
async def test_a_node_that_died_is_taken_over_within_15_s_wherever_its_peer_stood(
    database: Database, died_s_after_a_look: float
) -> None:
    """By the clocks: a look follows another when the loop says so, whatever they take here."""
    await give(database, "b", "running")
    async with known(database, "a", "b") as (a, b):
        await a.run_once(after_s=LONG_S)
        await b.run_once()  # its last heartbeat, a moment after the look; then it dies
        silent_s = BEAT_S - died_s_after_a_look
        await silence(database, "b", silent_s)
        await a.run_once(after_s=BEAT_S)
        while not a.survivor.settled:
            assert silent_s <= DEAD_S  # the first look after that takes over
            silent_s += BEAT_S
            await silence(database, "b", BEAT_S)
            await a.run_once(after_s=BEAT_S)
        assert silent_s <= DEAD_S + BEAT_S <= TAKEN_OVER_WITHIN_S - MARGIN_S
        assert a.survivor.settled == ["b-running"]


async def test_what_it_had_still_to_deliver_is_taken_over_too(database: Database) -> None:
    await give(database, "b", "completed", delivery="pending")
    async with known(database, "a", "b") as (a, _):
        await silence(database, "b", LONG_S)
        await a.run_once(after_s=LONG_S)
        assert await owners(database) == {"b-completed": "a"}


async def test_of_two_survivors_one_takes_over(database: Database) -> None:
    await give(database, "c", "queued", "running")
    async with known(database, "a", "b") as (a, b), known(database, "c"):
        await silence(database, "c", LONG_S)
        await asyncio.gather(a.run_once(after_s=LONG_S), b.run_once(after_s=LONG_S))
        settled = [node.survivor.settled for node in (a, b)]
        assert sorted(settled) == [[], ["c-running"]]
        assert len(set((await owners(database)).values())) == 1


async def test_who_serves_another_contract_takes_nothing(database: Database) -> None:
    await give(database, "b", "queued")
    other = Node(database, "a", contract=2)
    async with other.peers.known(), known(database, "b"):
        await silence(database, "b", LONG_S)
        await other.run_once(after_s=LONG_S)
        assert await owners(database) == {"b-queued": "b"}


async def test_a_node_that_ended_by_itself_is_taken_over_at_once(database: Database) -> None:
    await give(database, "b", "queued")
    async with known(database, "a") as (a,):
        async with known(database, "b"):
            await a.run_once()
            assert await owners(database) == {"b-queued": "b"}
        await a.run_once()
        assert await owners(database) == {"b-queued": "a"}


async def test_after_an_outage_nobody_is_called_dead_by_who_was_deaf_too(
    database: Database,
) -> None:
    await give(database, "b", "queued")
    async with known(database, "a", "b") as (a, b):
        for name in ("a", "b"):
            await silence(database, name, LONG_S)  # nobody could be heard for long
        await a.run_once(after_s=0.0)
        assert await owners(database) == {"b-queued": "b"}
        await b.run_once()
        await a.run_once(after_s=LONG_S)
        assert await owners(database) == {"b-queued": "b"}


async def test_if_the_survivor_dies_at_it_the_next_one_does_it(database: Database) -> None:
    await give(database, "c", "queued")
    async with known(database, "a", "b") as (a, b), known(database, "c"):
        await silence(database, "c", LONG_S)
        with at_each_batch(dies), pytest.raises(Dies):
            await a.run_once(after_s=LONG_S)
        await b.run_once(after_s=LONG_S)
        assert await owners(database) == {"c-queued": "c"}  # it may still be at it
        await silence(database, "c", LONG_S)
        await b.run_once()
        assert await owners(database) == {"c-queued": "b"}


async def test_a_node_that_comes_back_finds_what_is_still_its_own(database: Database) -> None:
    await give(database, "b", "queued")
    async with known(database, "a", "b") as (a, b):
        await silence(database, "b", LONG_S)
        await a.run_once(after_s=LONG_S)
        await b.run_once()
        assert b.survivor.let_go_times == 1
        await give(database, "b", "running")
        await silence(database, "b", 1.0)
        await a.run_once()
        assert (await owners(database))["b-running"] == "b"


async def test_a_node_that_comes_back_amid_its_takeover_keeps_its_tasks(
    database: Database,
) -> None:
    await give(database, "b", "queued")
    async with known(database, "a", "b") as (a, b):
        come_back = b.peers.run_once()
        take_over = a.peers._take_tasks

        async def back_first(name: str) -> int:
            await come_back
            return await take_over(name)

        a.peers._take_tasks = back_first  # type: ignore[method-assign]
        await silence(database, "b", LONG_S)
        await a.run_once(after_s=LONG_S)
        assert a.survivor.resumed == 0
        assert await owners(database) == {"b-queued": "b"}


async def test_a_second_node_of_a_name_is_refused_with_the_reason(database: Database) -> None:
    async with known(database, "a") as (first,):
        second = Node(database, "a")

        async def nap(seconds: float) -> None:
            await first.run_once()  # the first one lives on meanwhile

        second.peers._sleep = nap
        with pytest.raises(NameTaken, match="another node named a lives on this database"):
            async with second.peers.known():
                pass
        await first.run_once()


async def test_a_process_that_was_killed_makes_way_for_the_next_one(database: Database) -> None:
    killed = Node(database, "a")
    await killed.peers._join()
    after = Node(database, "a")
    async with after.peers.known():
        assert 0 < after.naps[0] <= 5.0
        with pytest.raises(Replaced):  # if it was only held up, it ends itself
            await killed.run_once()
        await after.run_once()
