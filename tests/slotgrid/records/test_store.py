"""Every statement about task records, on a database of their own."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import pytest

from slotgrid.core.errors import FunctionFailed
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from slotgrid.records.database import Database
from slotgrid.records.engines import engine_of
from slotgrid.records.history import TaskFilter
from slotgrid.records.store import (
    acceptance,
    deliveries,
    due,
    endings,
    idempotency,
    log_rows,
    retention,
    rows,
    state_changes,
    task_events,
    task_lists,
    waiting,
)
from slotgrid.records.store.due import DueClaim, DueKind
from slotgrid.records.store.endings import Ended
from slotgrid.records.store.idempotency import Accepted
from slotgrid.records.store.state_changes import StateChange
from slotgrid.records.tables import is_queued, tasks
from tests.slotgrid.records.recorded import NODE, async_task, record

LOST = FunctionFailed("it is lost").to_problem()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(engine_of(None, tmp_path, pool=2))
    async with database.running():
        yield database


async def insert(database: Database, *added: Task, node: str = NODE) -> None:
    records = [record(task, node=node) for task in added]
    await database.write(lambda c: acceptance.insert(c, [records]))


async def begin(database: Database, turn: StateChange) -> bool:
    (ours,) = await database.write(lambda c: state_changes.begin(c, [turn]))
    return ours


async def row_of(database: Database, task: Task) -> rows.Row:
    row = await database.read(lambda c: rows.get(c, task.id))
    assert row is not None
    return row


async def end_unrun(database: Database, task: Task, state: TaskState, *, at: float) -> Ended | None:
    return await database.write(
        lambda c: endings.finish_unrun(c, NODE, task.id, state, LOST, at=at)
    )


def started(task: Task) -> Task:
    task.begin_attempt(NODE, 0)
    task.events.append("state", {"text": "running", "data": {}})
    return task


def ended(task: Task) -> Task:
    task.end_attempt(None)
    task.move_to(TaskState.COMPLETED)
    task.result = b'"done"'
    task.events.append("done", task.answer())
    return task


async def test_a_task_begins_once_for_whoever_it_belongs_to(database: Database) -> None:
    task = async_task()
    await insert(database, task)
    turn = StateChange.of(started(task), NODE, after=0)
    assert not await begin(database, replace(turn, node="another-node"))
    assert await begin(database, turn)
    row = await row_of(database, task)
    assert (row.status, row.starts, row.worker) == ("running", 1, NODE)


async def test_starts_of_the_same_moment_are_told_apart(database: Database) -> None:
    ours, theirs = [async_task(), async_task()], async_task()
    await insert(database, *ours)
    await insert(database, theirs, node="another-node")
    taken = [StateChange.of(started(task), NODE, after=0) for task in (*ours, theirs)]
    began = [database.write_with_others(state_changes.begin, turn) for turn in taken]
    assert await asyncio.gather(*began) == [True, True, False]
    for task, starts in ((ours[0], 1), (ours[1], 1), (theirs, 0)):
        assert (await row_of(database, task)).starts == starts


async def test_noting_a_start_twice_is_noting_it_once_and_it_can_be_undone(
    database: Database,
) -> None:
    task = async_task()
    await insert(database, task)
    turn = StateChange.of(started(task), NODE, after=0)
    assert await begin(database, turn)
    assert await begin(database, turn)
    assert (await row_of(database, task)).starts == 1
    for _ in range(2):
        await database.write(lambda c: state_changes.undo_start(c, turn))
        row = await row_of(database, task)
        assert (row.status, row.starts) == ("queued", 0)


async def test_what_has_an_end_keeps_it(database: Database) -> None:
    task = async_task()
    await insert(database, task)
    turn = StateChange.of(started(task), NODE, after=0)
    await begin(database, turn)
    end = StateChange.of(ended(task), NODE, after=0)
    await database.write(lambda c: state_changes.finish(c, [end]))
    for state in (TaskState.FAILED, TaskState.CANCELLED):
        assert await end_unrun(database, task, state, at=1.0) is None
    assert not await begin(database, turn)
    row = await row_of(database, task)
    assert row.status == "completed"
    assert orjson.loads(row.detail)["result"] == "done"
    events = await database.read(lambda c: task_events.kept_events(c, task.id, 0))
    assert [(event.id, event.kind) for event in events] == [(1, "state"), (2, "done")]


async def test_a_late_note_of_a_failed_attempt_does_not_undo_the_next(database: Database) -> None:
    task = async_task()
    await insert(database, task)
    first = StateChange.of(started(task), NODE, after=0)
    await begin(database, first)
    task.end_attempt(None)
    task.move_to(TaskState.QUEUED)
    failed = StateChange.of(task, NODE, after=0)
    second = StateChange.of(started(task), NODE, after=0)
    await begin(database, second)
    await database.write(lambda c: state_changes.back_to_queue(c, failed))
    row = await row_of(database, task)
    assert (row.status, row.starts) == ("running", 2)


async def test_the_end_of_a_task_that_never_ran_is_its_only_event(database: Database) -> None:
    task = async_task(created_at=100.0)
    await insert(database, task)
    assert await end_unrun(database, task, TaskState.CANCELLED, at=102.5) == Ended(
        NODE, record(task).class_key, waited=True, to_deliver=False, parent=None
    )
    row = await row_of(database, task)
    detail = orjson.loads(row.detail)
    assert (row.status, row.finished_at, detail["queued_ms"]) == ("cancelled", 102.5, 2500.0)
    assert detail["error"] == LOST
    (event,) = await database.read(lambda c: task_events.kept_events(c, task.id, 0))
    assert (event.id, event.kind) == (1, "error")


async def test_events_of_a_later_process_come_after_all_that_were_said(database: Database) -> None:
    task = async_task()
    await insert(database, task)
    turn = StateChange.of(started(task), NODE, after=0)
    await begin(database, turn)
    await database.write(lambda c: task_events.keep_events(c, task.id, turn.new_events))
    await end_unrun(database, task, TaskState.FAILED, at=1.0)
    events = await database.read(lambda c: task_events.kept_events(c, task.id, 0))
    assert [event.id for event in events] == [1, task_events.EVENTS_A_START + 1]
    assert await database.read(lambda c: task_events.kept_events(c, task.id, 0, 1)) == events[:1]


async def test_a_key_stands_for_its_task_for_a_day(database: Database) -> None:
    old = async_task(created_at=time.time() - idempotency.IDEMPOTENT_S - 1)
    first, second, other = async_task(), async_task(), async_task(owner="bob")

    async def accept(task: Task, body_hash: str) -> Accepted:
        added = [record(task, "key", body_hash)]
        ((accepted,),) = await database.write(lambda c: acceptance.insert(c, [added]))
        return accepted

    assert await accept(old, "a") == Accepted(old.id)
    assert await accept(first, "b") == Accepted(first.id)
    assert await accept(second, "b") == Accepted(first.id, replayed=True)
    assert await accept(second, "c") == Accepted(first.id, conflict=True)
    assert await accept(other, "c") == Accepted(other.id)


async def test_the_next_ones_are_those_that_may_start_now(database: Database) -> None:
    now = time.time()
    early = async_task(not_before="2100-01-01T00:00:00Z")
    waited = async_task(created_at=now - 10, wait_s=5)
    expired = async_task(expires_at="2000-01-01T00:00:00Z")
    later = async_task(created_at=now + 1)
    first = async_task(created_at=now, wait_s=100)
    elsewhere = async_task()
    await insert(database, early, waited, expired, later, first)
    await insert(database, elsewhere, node="another-node")
    class_key = record(first).class_key

    found = await database.read(
        lambda c: waiting.next_queued(c, NODE, class_key, limit=10, now=now + 2, steady_now=now + 2)
    )
    assert [row.id for row in found] == [first.id, later.id]
    overdue = await database.read(lambda c: waiting.overdue(c, NODE, now, now))
    assert set(overdue) == {waited.id, expired.id}
    at = await database.read(lambda c: waiting.next_early(c, NODE, class_key, now))
    assert at == early.submission.not_before.timestamp()  # type: ignore[union-attr]


async def test_the_position_is_the_place_in_the_order_of_the_key(database: Database) -> None:
    first, second, third = (async_task(created_at=at) for at in (1.0, 2.0, 3.0))
    other_class = async_task(created_at=0.5, place={"pool": "other"})
    await insert(database, third, first, second, other_class)
    await insert(database, async_task(created_at=0.1), node="another-node")
    class_key = record(first).class_key
    await begin(database, StateChange.of(started(first), NODE, after=0))
    for task, wanted in ((second, 1), (third, 2)):
        key = task.created_at
        assert await database.read(lambda c: waiting.position(c, NODE, class_key, key)) == wanted  # noqa: B023  read at once


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT id FROM slotgrid_tasks WHERE {q} AND node='n' AND wait_until < 1", "wait"),
        ("SELECT id FROM slotgrid_tasks WHERE {q} AND node='n' AND expires_at < 1", "expiry"),
        (
            "SELECT count(*) FROM slotgrid_tasks"
            " WHERE {q} AND node='n' AND class_key='c' AND queue_key < 1",
            "queue",
        ),
        ("SELECT sum(size) FROM slotgrid_tasks WHERE finished_at IS NOT NULL", "finished"),
    ],
)
async def test_what_is_asked_each_second_scans_an_index_and_no_table(
    database: Database, query: str, index: str
) -> None:
    text = "EXPLAIN QUERY PLAN " + query.format(q=is_queued.compile())
    plan = await database.read(lambda c: str(c.exec_driver_sql(text).all()))
    assert f"INDEX slotgrid_tasks_{index}" in plan


async def test_only_what_still_waits_here_is_claimed(database: Database) -> None:
    waits, runs, elsewhere = async_task(), async_task(), async_task()
    await insert(database, waits, runs)
    await insert(database, elsewhere, node="another-node")
    turn = StateChange.of(started(runs), NODE, after=0)
    await begin(database, turn)
    ids = [waits.id, runs.id, elsewhere.id]
    assert await database.write(lambda c: waiting.still_waiting(c, NODE, ids)) == {waits.id}


async def test_what_is_delivered_and_old_is_removed_with_its_events(database: Database) -> None:
    old, young = async_task(), async_task()
    owed = async_task(mode="webhook", webhook={"url": "http://example.com"})
    await insert(database, old, young, owed)
    for task, at in ((old, 10.0), (young, 30.0), (owed, 10.0)):
        await end_unrun(database, task, TaskState.FAILED, at=at)
    removed = await database.write(lambda c: retention.remove_finished(c, before=20.0, limit=10))
    assert list(removed) == [old.id]
    assert await database.read(lambda c: rows.get(c, old.id)) is None
    assert await database.read(lambda c: task_events.kept_events(c, old.id, 0)) == []
    made = {"number": 1, "status": 200}
    (claim,) = await claimed(database)
    await database.write(
        lambda c: deliveries.note_attempt(c, claim, "delivered", made, again_in_s=None)
    )
    assert orjson.loads((await row_of(database, owed)).deliveries) == [made]
    removed = await database.write(lambda c: retention.remove_finished(c, before=20.0, limit=10))
    assert list(removed) == [owed.id]


async def claimed(database: Database, node: str = NODE) -> list[DueClaim]:
    return await database.write(
        lambda c: due.claim(c, DueKind.WEBHOOK, node, lease_s=60.0, limit=10)
    )


async def owed_task(database: Database) -> Task:
    """A task that has ended, whose webhook is due."""
    task = async_task(mode="webhook", webhook={"url": "http://example.com"})
    await insert(database, task)
    await end_unrun(database, task, TaskState.FAILED, at=1.0)
    return task


async def test_the_end_of_a_task_with_a_webhook_makes_that_due(database: Database) -> None:
    hook = {"url": "http://example.com"}
    ran, unrun = (async_task(mode="webhook", webhook=hook) for _ in range(2))
    plain = async_task()
    await insert(database, ran, unrun, plain)
    assert await claimed(database) == []
    ends = [StateChange.of(ended(started(task)), NODE, after=0) for task in (ran, plain)]
    await database.write(lambda c: state_changes.finish(c, ends))
    await end_unrun(database, unrun, TaskState.CANCELLED, at=1.0)
    assert {claim.ref for claim in await claimed(database)} == {ran.id, unrun.id}
    assert await claimed(database) == []  # a claim moves the due time


async def test_an_attempt_and_the_next_due_time_are_noted_together(database: Database) -> None:
    task = await owed_task(database)
    made = [{"number": 1}, {"number": 2}]
    for attempt in made:
        (claim,) = await claimed(database)
        assert (claim.ref, claim.attempt) == (task.id, attempt["number"])
        note = partial(deliveries.note_attempt, claim=claim, attempt=attempt)
        await database.write(partial(note, state="pending", again_in_s=-1.0))
    row = await row_of(database, task)
    assert (row.delivery, orjson.loads(row.deliveries)) == ("pending", made)
    (claim,) = await claimed(database)
    note = partial(deliveries.note_attempt, claim=claim, attempt={"number": 3})
    await database.write(partial(note, state="failed", again_in_s=None))
    assert (await row_of(database, task)).delivery == "failed"
    await database.write(lambda c: deliveries.deliver_again(c, task.id, "node-2"))
    assert await claimed(database) == []
    (claim,) = await claimed(database, "node-2")
    assert claim.attempt == 1
    row = await row_of(database, task)
    assert (row.delivery, row.node) == ("pending", "node-2")


@pytest.mark.parametrize("state", ["delivered", "pending"])
async def test_an_attempt_whose_claim_was_lost_is_listed_and_changes_nothing(
    database: Database, state: str
) -> None:
    task = await owed_task(database)
    (lost,) = await claimed(database)
    await database.write(lambda c: deliveries.deliver_again(c, task.id, NODE))
    (claim,) = await claimed(database)
    again_in_s = -1.0 if state == "pending" else None
    for held, listed in ((lost, 1), (claim, 2)):
        note = partial(deliveries.note_attempt, claim=held, attempt={"number": 1})
        await database.write(partial(note, state=state, again_in_s=again_in_s))
        row = await row_of(database, task)
        assert len(orjson.loads(row.deliveries)) == listed
        assert (row.delivery == state) is (state == "pending" or held is claim)
        ours = held is claim and state == "pending"
        assert [each.attempt for each in await claimed(database)] == ([2] if ours else [])


@pytest.mark.parametrize("damaged", ['[{"num', "7", "{}"])
async def test_an_attempt_is_recorded_although_the_earlier_ones_are_unreadable(
    database: Database, damaged: str
) -> None:
    task = await owed_task(database)
    (claim,) = await claimed(database)
    await database.write(lambda c: c.execute(tasks.update().values(deliveries=damaged)) and None)
    note = partial(deliveries.note_attempt, claim=claim, attempt={"number": 1})
    await database.write(partial(note, state="delivered", again_in_s=None))
    row = await row_of(database, task)
    assert (row.delivery, orjson.loads(row.deliveries)) == ("delivered", [{"number": 1}])
    assert await claimed(database) == []


async def test_a_task_that_was_removed_takes_its_due_row_along(database: Database) -> None:
    task = await owed_task(database)
    (claim,) = await claimed(database)
    await database.write(lambda c: c.execute(tasks.delete()) and None)
    note = partial(deliveries.note_attempt, claim=claim, attempt={"number": 1})
    await database.write(partial(note, state="pending", again_in_s=-1.0))
    assert await claimed(database) == []
    await database.write(lambda c: deliveries.deliver_again(c, task.id, NODE))
    assert await claimed(database) == []


async def test_the_oldest_go_when_all_together_take_too_much(database: Database) -> None:
    ended_tasks = [async_task() for _ in range(4)]
    owed = async_task(mode="webhook", webhook={"url": "http://example.com"})
    await insert(database, owed, *ended_tasks)
    for at, task in enumerate((owed, *ended_tasks)):
        await end_unrun(database, task, TaskState.FAILED, at=float(at))
    size = (await row_of(database, ended_tasks[0])).size
    assert size > 0
    kept = await database.read(retention.kept_bytes)
    assert kept >= 5 * size
    removed = await database.write(lambda c: retention.remove_oldest(c, excess=size + 1, limit=10))
    assert list(removed) == [task.id for task in ended_tasks[:2]]
    assert await database.read(retention.kept_bytes) == kept - 2 * size
    everything = await database.write(lambda c: retention.remove_oldest(c, excess=kept, limit=10))
    assert list(everything) == [task.id for task in ended_tasks[2:]]


def _insert_rows(connection: rows.Connection, rows: list[dict[str, object]]) -> None:
    connection.execute(tasks.insert(), rows)


async def test_a_hundred_thousand_tasks_are_paged_and_filtered(database: Database) -> None:
    many = 100_000
    task = async_task()
    await insert(database, task)
    like = dict((await row_of(database, task))._mapping) | {"idempotency_key": None}

    def row(n: int) -> dict[str, object]:
        return like | {
            "id": f"{n:036d}",
            "status": "failed" if n % 1000 == 0 else "completed",
            "function": f"f{n % 10}",
            "owner": "bob" if n % 500 == 1 else "alice",
            "error": f"reason {n}" if n % 1000 == 0 else None,
            "finished_at": float(n),
        }

    await database.write(lambda c: c.execute(tasks.delete()))
    for first in range(0, many, 5000):
        rows = [row(n) for n in range(first, first + 5000)]
        await database.write(partial(_insert_rows, rows=rows))

    async def page(limit: int = 3, offset: int = 0, **wanted: object) -> tuple[list[int], int]:
        rows, total = await database.read(
            lambda c: task_lists.select(c, TaskFilter(**wanted), limit=limit, offset=offset)  # type: ignore[arg-type]
        )
        return [int(row.id) for row in rows], total

    assert await page() == ([99_999, 99_998, 99_997], many)
    assert await page(offset=99_999) == ([0], many)
    failed = frozenset({TaskState.FAILED})
    assert await page(status=failed) == ([99_000, 98_000, 97_000], 100)
    assert await page(status=failed, function="f1") == ([], 0)
    assert await page(owner_only="bob") == ([99_501, 99_001, 98_501], 200)
    assert await page(q="REASON 42000") == ([42_000], 1)
    assert await page(status=frozenset({TaskState.QUEUED})) == ([], 0)
    removed = await database.write(lambda c: retention.remove_finished(c, before=500.0, limit=1000))
    assert len(removed) == 500
    assert (await page())[1] == many - 500


async def test_lines_of_a_log_are_kept_once_and_go_with_their_task(database: Database) -> None:
    task = async_task()
    await insert(database, task)
    assert await begin(database, StateChange.of(started(task), NODE, after=0))
    task.log("first", step="main")
    flushed = [log_rows.line_row(task.id, line) for line in log_rows.lines_of(task, after=0)]
    await database.write(lambda c: log_rows.keep_rows(c, flushed))
    task.log("second", step="main", stream="stderr")
    end = StateChange.of(ended(task), NODE, after=0)
    await database.write(lambda c: state_changes.finish(c, [end]))
    kept = await database.read(lambda c: log_rows.kept_lines(c, task.id))
    assert kept == task.logs.after(0)
    assert [(line.kind, orjson.loads(line.payload)) for line in kept] == [
        ("_node", ["stdout", f"attempt 1 on slot 0 of {NODE}"]),
        ("main", ["stdout", "first"]),
        ("main", ["stderr", "second"]),
        ("_node", ["stdout", "completed"]),
    ]
    upto = await database.read(lambda c: log_rows.kept_lines(c, task.id, kept[1].id))
    assert upto == kept[:2]
    await database.write(lambda c: retention.remove_finished(c, time.time() + 60, 10))
    assert await database.read(lambda c: log_rows.kept_lines(c, task.id)) == []


async def test_a_task_that_wrote_nothing_takes_no_rows_for_it(database: Database) -> None:
    task = async_task()
    await insert(database, task)
    end = StateChange.of(ended(started(task)), NODE, after=0)
    assert end.lines == ()
    await database.write(lambda c: state_changes.finish(c, [end]))
    assert await database.read(lambda c: log_rows.kept_lines(c, task.id)) == []
