"""One view of the tasks in this node's memory and the tasks in the database."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from slotgrid.core.deadlines import seconds_of
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.core.event_log import Event, encode_json
from slotgrid.core.submission import Submission
from slotgrid.core.task import MAIN_STEP, NODE_STEP, Task
from slotgrid.core.task_parts import Artifact, attempt_line
from slotgrid.core.task_states import TaskState
from slotgrid.records.damaged_records import DAMAGE, UnreadableRecord, unreadable_summary
from slotgrid.records.database import Database
from slotgrid.records.history import History, TaskFilter
from slotgrid.records.json_views import task_detail, task_summary
from slotgrid.records.store import flow_views, log_rows, rows, task_events, task_lists, waiting

Json = dict[str, Any]
STEP_DEFAULTS = {"action": None, "worker": None, "input": None}
"""Members of a step that records of earlier versions lack."""
SUMMARY_DEFAULTS = {"parent": None, "step": None}
"""Members of a task that records of earlier versions lack."""
PAGE = 1000
"""Rows per read when all rows are wanted."""
ENDS_RECORDED_S = 10.0
"""How long a caller waits until the ends of tasks are recorded, so that lists show them."""


@dataclass(frozen=True, slots=True)
class Record:
    """The database record of a durable task that is not in this process's memory."""

    id: str
    owner: str
    state: TaskState
    detail: Json
    body: Json
    delivery: str | None
    place: tuple[str, str, float]
    """Node, class and queue key."""

    def submission(self) -> Submission:
        """The submission, parsed from `body`."""
        return Submission.parse(self.body)

    @property
    def kind(self) -> str | None:
        """The kind of its function; None in records of versions that did not keep it."""
        kind: str | None = self.detail.get("kind")
        return kind

    def step_names(self) -> list[str]:
        """Names of the steps that its log lines can have."""
        return [NODE_STEP, MAIN_STEP, *(step["name"] for step in self.detail["steps"])]

    def own_lines(self) -> list[Event]:
        """Log lines made from the record if none were recorded: the attempts and the end."""
        detail = self.detail
        said = [(one["started_at"], attempt_line(one)) for one in detail["attempts"]]
        if self.state.terminal:
            error = detail["error"]
            end = f"{self.state}: {error['detail']}" if error else str(self.state)
            said.append((detail["finished_at"], end))
        return [
            Event(number, NODE_STEP, seconds_of(at), encode_json(("stdout", line)))
            for number, (at, line) in enumerate(said, 1)
        ]

    @property
    def artifacts(self) -> dict[str, Artifact]:
        """The files that the task saved, by name."""
        return {file["name"]: Artifact(**file) for file in self.detail["artifacts"]}


@dataclass(frozen=True, slots=True)
class ChildTask:
    """The task of a flow's step, or of one of its instances: `name[index]`."""

    id: str
    step: str
    ended: bool


class TaskRepository:
    """Finds and lists tasks in memory and in the database (None without durable work).

    Lists take durable tasks from the database and others from memory. If a list wants certain
    states, durable tasks that `begun` returns come from memory as well, since their records may
    lag behind: in neither case is a task listed twice.
    """

    def __init__(
        self,
        history: History,
        dispatcher: Dispatcher,
        database: Database | None = None,
        *,
        begun: Callable[[], Sequence[Task]] = tuple,
    ) -> None:
        self._history = history
        self._dispatcher = dispatcher
        self._database = database
        self._begun = begun

    async def find(self, task_id: str) -> Task | Record | None:
        """The task of that id from memory, else its record, else None.

        Raises UnreadableRecord.
        """
        task = self._history.get(task_id)
        if task is not None or self._database is None:
            return task
        row = await self._database.read(lambda connection: rows.get(connection, task_id))
        if row is None:
            return None
        try:
            return _record_of(row)
        except DAMAGE as damage:
            raise UnreadableRecord(task_id, row.owner) from damage

    async def show(self, found: Task | Record) -> Json:
        """The task as `GET /tasks/{id}` shows it."""
        if isinstance(found, Record):
            return await self._show_recorded(found)
        detail = task_detail(found, self._dispatcher.position(found))
        if found.durable and self._database is not None:
            row = await self._database.read(lambda connection: rows.get(connection, found.id))
            try:
                detail["deliveries"] = orjson.loads(row.deliveries) if row else []
            except DAMAGE as damage:
                raise UnreadableRecord(found.id, found.owner) from damage
            if found.kind == "flow":
                detail["steps"] = await self._steps_of_flow(found.id)
        return detail

    async def _show_recorded(self, found: Record) -> Json:
        assert self._database is not None
        if found.kind == "flow":
            found.detail["steps"] = await self._steps_of_flow(found.id)
        if found.state is not TaskState.QUEUED:
            return found.detail
        position = await self._database.read(lambda c: waiting.position(c, *found.place))
        return found.detail | {"queue_position": position}

    def in_memory(self, task_id: str) -> Task | None:
        """The task of that id, if this process has it."""
        return self._history.get(task_id)

    async def children(self, flow_id: str) -> list[ChildTask]:
        """The tasks of a flow's steps, in the order in which they were made."""
        if self._database is None:
            return []
        return [
            ChildTask(row.id, row.step, row.finished_at is not None)
            for row in await self._database.read(lambda c: flow_views.children(c, flow_id))
        ]

    async def lines_of(self, task_ids: Sequence[str]) -> dict[str, list[Event]]:
        """The recorded log lines of tasks, by task; made from its record if a task has none."""
        if self._database is None or not task_ids:
            return {}
        found = await self._database.read(lambda c: log_rows.lines_of_tasks(c, task_ids))
        for task_id in task_ids:
            if task_id not in found and isinstance(record := await self._record(task_id), Record):
                found[task_id] = record.own_lines()
        return found

    async def _record(self, task_id: str) -> Record | None:
        assert self._database is not None
        row = await self._database.read(lambda connection: rows.get(connection, task_id))
        try:
            return None if row is None else _record_of(row)
        except DAMAGE:
            return None

    async def _steps_of_flow(self, task_id: str) -> list[Json]:
        assert self._database is not None
        return await self._database.read(lambda c: flow_views.shown_steps(c, task_id))

    async def events(self, task_id: str, after: int, *, upto: int | None = None) -> list[Event]:
        """Recorded events of a task, with ids above `after` and up to `upto`."""
        if self._database is None:
            return []
        return await self._database.read(lambda c: task_events.kept_events(c, task_id, after, upto))

    async def lines(self, task_id: str, *, upto: int | None = None) -> list[Event]:
        """Recorded log lines of a task, up to the number `upto`."""
        if self._database is None:
            return []
        return await self._database.read(lambda c: log_rows.kept_lines(c, task_id, upto))

    async def select(
        self, wanted: TaskFilter, *, limit: int, offset: int
    ) -> tuple[list[Json], int]:
        """A page of task summaries, newest first, and how many tasks match in all."""
        held = self._history.matching(wanted)
        if self._database is None:
            return [self._row(task) for task in held[offset : offset + limit]], len(held)
        begun = self._begun() if wanted.status is not None else ()
        held += [task for task in begun if wanted.accepts(task)]
        held.sort(key=lambda task: task.id, reverse=True)
        # Before the database is read, as their states may change meanwhile.
        merged: list[tuple[str, str | Json]] = [
            (task.id, self._row(task)) for task in held[: offset + limit]
        ]
        # Tasks in memory shift the page by at most `len(held)` rows of the database.
        first = max(0, offset - len(held))
        count = offset + limit - first
        without = [task.id for task in begun]
        recorded, total = await self._database.read(
            lambda c: task_lists.select(c, wanted, limit=count, offset=first, without=without)
        )
        merged += [(row.id, row.summary) for row in recorded]
        merged.sort(key=lambda item: item[0], reverse=True)
        page = merged[offset - first : offset - first + limit]
        shown = [
            await self._recorded(task_id, item, wanted) if isinstance(item, str) else item
            for task_id, item in page
        ]
        return shown, total + len(held)

    async def wait_ends_recorded(self) -> None:
        """Wait until the ends announced so far are recorded, or the database is unavailable.

        Batches are committed in order, so an empty write is committed after or with these ends.
        """
        if self._database is not None:
            with suppress(DatabaseUnavailable, TimeoutError):
                async with asyncio.timeout(ENDS_RECORDED_S):
                    await self._database.write(lambda _: None)

    async def on_disk(self, wanted: TaskFilter) -> list[str]:
        """The ids of recorded tasks that this process does not hold."""
        found: list[str] = []
        offset = 0
        while self._database is not None:
            page, _ = await self._database.read(
                partial(task_lists.select, wanted=wanted, limit=PAGE, offset=offset)
            )
            found += [row.id for row in page if self._history.get(row.id) is None]
            offset += len(page)
            if len(page) < PAGE:
                break
        return found

    def _row(self, task: Task) -> Json:
        return task_summary(task, self._dispatcher.position(task))

    async def _recorded(self, task_id: str, summary: str, wanted: TaskFilter) -> Json:
        """The summary of a recorded task: from memory if the task is there, else from the row.

        Also from the row if the task in memory has a state that is no longer wanted. The JSON is
        parsed because templates read its fields; 1,000 rows take 3 ms.
        """
        live = self._history.get(task_id)
        if live is not None and (wanted.status is None or live.state in wanted.status):
            return self._row(live)
        try:
            shown: Json = orjson.loads(summary)
        except orjson.JSONDecodeError:
            assert self._database is not None
            row = await self._database.read(lambda connection: rows.get(connection, task_id))
            if row is None:  # removed since the list was read
                raise
            return unreadable_summary(row)
        return SUMMARY_DEFAULTS | shown


def _record_of(row: rows.Row) -> Record:
    detail = SUMMARY_DEFAULTS | orjson.loads(row.detail)
    detail["status"] = row.status
    detail["steps"] = [STEP_DEFAULTS | step for step in detail["steps"]]
    detail.setdefault("traffic", None)  # records of earlier versions
    for attempt in detail["attempts"]:
        attempt.setdefault("pool", None)
    detail["deliveries"] = orjson.loads(row.deliveries)
    body = orjson.loads(row.body)
    place = (row.node, row.class_key, row.queue_key)
    return Record(row.id, row.owner, TaskState(row.status), detail, body, row.delivery, place)
