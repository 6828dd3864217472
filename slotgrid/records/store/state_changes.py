"""Records state changes of tasks at their node.

Every statement matches only tasks that have not ended, so a recorded end never changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from slotgrid.core.event_log import Event
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from slotgrid.records.store import (
    due,
    flow_children,
    flow_rows,
    log_rows,
    task_events,
)
from slotgrid.records.store.due import DueKind
from slotgrid.records.store.flow_children import ChildEnd
from slotgrid.records.store.rows import LIVE, Connection, Row, execute, live_at, shown
from slotgrid.records.tables import tasks

CHANGING = (
    "status", "starts", "finished_at", "error", "size", "worker", "summary", "detail",
)  # fmt: skip
"""The columns that a turn changes."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A snapshot of a task's state change. The event loop makes it, since the writer is another
    thread and the task continues meanwhile.
    """

    task_id: str
    node: str
    values: dict[str, Any]
    new_events: Sequence[Event]
    lines: Sequence[Event] = ()
    delivers: bool = False
    """Whether the task has a webhook, which is due at its end."""
    child: ChildEnd | None = None
    """The end of a step's task, for its flow."""
    ends_flow: bool = False
    after_flow: str | None = None
    """What follows the end of a flow: a submission as JSON."""

    @classmethod
    def of(
        cls,
        task: Task,
        node: str,
        *,
        after: int,
        lines_after: int = 0,
        after_flow: str | None = None,
    ) -> "StateChange":
        """The task's state, its events to record above `after`, and its log lines above
        `lines_after`.
        """
        written = log_rows.lines_of(task, after=lines_after)
        values: dict[str, Any] = {
            "status": task.state,
            "starts": task.lost_starts + len(task.attempts),
            "finished_at": task.finished_at,
            "error": task.error.detail if task.error is not None else None,
            "size": 0,
            **shown(task),
        }
        if task.state.terminal:
            files = sum(file.size for file in task.artifacts.values())
            # The detail counts twice, as the last event contains the result as well.
            values["size"] = 2 * len(values["detail"]) + task.submission.size + files
            values["size"] += sum(len(line.payload) for line in written)
        new_events = task_events.kept_of(task, after=after)
        delivers = task.submission.webhook is not None
        terminal = task.state.terminal
        return cls(
            task.id,
            node,
            values,
            new_events,
            written,
            delivers,
            child=ChildEnd.of(task) if terminal else None,
            ends_flow=terminal and task.spec.kind == "flow",
            after_flow=after_flow,
        )


class NotAll(Exception):
    """Some tasks of a batch are no longer ours or have ended; the writer reruns each alone."""


def begin(connection: Connection, changes: Sequence[StateChange]) -> list[bool]:
    """Record the starts of tasks; False for a task that is no longer ours to start.

    Idempotent. Raises NotAll if a batch has such a task. Events are recorded later, so that no
    start waits for them.
    """
    return [_take(connection, changes)] * len(changes)


def finish(connection: Connection, changes: Sequence[StateChange]) -> list[None]:
    """Record the tasks' ends, terminal events and log lines; make their webhooks due.

    The step of a flow that a task was ends with it, and what the step held up becomes ready.

    Raises NotAll if a batch has a task that is no longer ours or has ended.
    """
    if _take(connection, changes):
        by_node: dict[str, list[str]] = {}
        for change in changes:
            if change.delivers:
                by_node.setdefault(change.node, []).append(change.task_id)
        for node, refs in by_node.items():
            due.schedule_now(connection, DueKind.WEBHOOK, refs, node)
        task_events.keep_rows(
            connection,
            [
                task_events.event_row(change.task_id, event)
                for change in changes
                for event in change.new_events
            ],
        )
        log_rows.keep_rows(
            connection,
            [
                log_rows.line_row(change.task_id, line)
                for change in changes
                for line in change.lines
            ],
        )
        _end_in_flows(connection, changes)
    return [None] * len(changes)


def _end_in_flows(connection: Connection, changes: Sequence[StateChange]) -> None:
    """Record what the ends mean for flows: their steps, their own ends, what follows them."""
    for change in changes:
        if change.ends_flow:
            at = change.values["finished_at"]
            flow_rows.end_flow(connection, change.task_id, at, after=change.after_flow)
    flow_children.end(connection, [change.child for change in changes if change.child is not None])


def back_to_queue(connection: Connection, change: StateChange) -> None:
    """Record that an attempt failed and another follows, unless a later start is recorded."""
    where = live_at(change.node) & (tasks.c.id == change.task_id)
    where &= tasks.c.starts <= change.values["starts"]
    if connection.execute(tasks.update().where(where).values(change.values)).rowcount:
        task_events.keep_events(connection, change.task_id, change.new_events)
        log_rows.keep_rows(
            connection, [log_rows.line_row(change.task_id, line) for line in change.lines]
        )


def undo_start(connection: Connection, change: StateChange) -> None:
    """Undo a recorded start that did not take place."""
    where = live_at(change.node) & (tasks.c.id == change.task_id)
    where &= tasks.c.starts == change.values["starts"]
    before = {"status": TaskState.QUEUED, "starts": change.values["starts"] - 1}
    connection.execute(tasks.update().where(where).values(before))


def requeue(connection: Connection, row: Row) -> None:
    """Requeue a task whose process died, at its old position; once for each start."""
    lost = (tasks.c.id == row.id) & (tasks.c.status == TaskState.RUNNING)
    same = lost & (tasks.c.starts == row.starts)
    connection.execute(tasks.update().where(same).values(status=TaskState.QUEUED))


_CHANGE = (
    tasks.update()
    .where(
        (tasks.c.id == sa.bindparam("of_id"))
        & (tasks.c.node == sa.bindparam("of_node"))
        & tasks.c.status.in_([sa.literal_column(f"'{status}'") for status in LIVE])
    )
    .values({name: sa.bindparam(f"of_{name}") for name in CHANGING})
)


def _take(connection: Connection, changes: Sequence[StateChange]) -> bool:
    """Record turns of live tasks of their own node; returns whether it reached a task.

    One statement for all, since each statement costs. So the tasks that it missed are unknown.
    """
    reached = execute(connection, _CHANGE, [_parameters(change) for change in changes])
    if len(changes) > 1 and reached < len(changes):
        raise NotAll
    return reached > 0


def _parameters(change: StateChange) -> dict[str, Any]:
    """Parameters with a prefix, since a column's name would mean its new value."""
    changed = {f"of_{name}": change.values[name] for name in CHANGING}
    return {"of_id": change.task_id, "of_node": change.node, **changed}
