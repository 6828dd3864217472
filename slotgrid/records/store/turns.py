"""Records state changes ("turns") of tasks at their node.

Every statement matches only tasks that have not ended, so a recorded end never changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from slotgrid.core.events import Event
from slotgrid.core.states import TaskState
from slotgrid.core.task import Task
from slotgrid.records.store import due, lines, task_events
from slotgrid.records.store.due import DueKind
from slotgrid.records.store.rows import LIVE, Connection, Row, execute, live_at, shown
from slotgrid.records.tables import tasks

CHANGING = (
    "status", "starts", "finished_at", "error", "size", "worker", "summary", "detail",
)  # fmt: skip
"""The columns that a turn changes."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A snapshot of a task's state change. The event loop makes it, since the writer is another
    thread and the task continues meanwhile.
    """

    task_id: str
    node: str
    values: dict[str, Any]
    said: Sequence[Event]
    lines: Sequence[Event] = ()
    delivers: bool = False
    """Whether the task has a webhook, which is due at its end."""

    @classmethod
    def of(cls, task: Task, node: str, *, after: int, lines_after: int = 0) -> "Turn":
        """The task's state, its events to record above `after`, and its log lines above
        `lines_after`.
        """
        written = lines.lines_of(task, after=lines_after)
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
        said = task_events.kept_of(task, after=after)
        delivers = task.submission.webhook is not None
        return cls(task.id, node, values, said, written, delivers)


class NotAll(Exception):
    """Some tasks of a batch are no longer ours or have ended; the writer reruns each alone."""


def begin(connection: Connection, turns: Sequence[Turn]) -> list[bool]:
    """Record the starts of tasks; False for a task that is no longer ours to start.

    Idempotent. Raises NotAll if a batch has such a task. Events are recorded later, so that no
    start waits for them.
    """
    return [_take(connection, turns)] * len(turns)


def finish(connection: Connection, turns: Sequence[Turn]) -> list[None]:
    """Record the tasks' ends, terminal events and log lines; make their webhooks due.

    Raises NotAll if a batch has a task that is no longer ours or has ended.
    """
    if _take(connection, turns):
        by_node: dict[str, list[str]] = {}
        for turn in turns:
            if turn.delivers:
                by_node.setdefault(turn.node, []).append(turn.task_id)
        for node, refs in by_node.items():
            due.schedule_now(connection, DueKind.WEBHOOK, refs, node)
        task_events.keep_rows(
            connection,
            [task_events.event_row(turn.task_id, event) for turn in turns for event in turn.said],
        )
        lines.keep_rows(
            connection,
            [lines.line_row(turn.task_id, line) for turn in turns for line in turn.lines],
        )
    return [None] * len(turns)


def back_to_queue(connection: Connection, turn: Turn) -> None:
    """Record that an attempt failed and another follows, unless a later start is recorded."""
    where = live_at(turn.node) & (tasks.c.id == turn.task_id)
    where &= tasks.c.starts <= turn.values["starts"]
    if connection.execute(tasks.update().where(where).values(turn.values)).rowcount:
        task_events.keep_events(connection, turn.task_id, turn.said)
        lines.keep_rows(connection, [lines.line_row(turn.task_id, line) for line in turn.lines])


def undo_start(connection: Connection, turn: Turn) -> None:
    """Undo a recorded start that did not take place."""
    where = live_at(turn.node) & (tasks.c.id == turn.task_id)
    where &= tasks.c.starts == turn.values["starts"]
    before = {"status": TaskState.QUEUED, "starts": turn.values["starts"] - 1}
    connection.execute(tasks.update().where(where).values(before))


def requeue(connection: Connection, row: Row) -> None:
    """Requeue a task whose process died, at its old position; once for each start."""
    lost = (tasks.c.id == row.id) & (tasks.c.status == TaskState.RUNNING)
    same = lost & (tasks.c.starts == row.starts)
    connection.execute(tasks.update().where(same).values(status=TaskState.QUEUED))


_TURN = (
    tasks.update()
    .where(
        (tasks.c.id == sa.bindparam("of_id"))
        & (tasks.c.node == sa.bindparam("of_node"))
        & tasks.c.status.in_([sa.literal_column(f"'{status}'") for status in LIVE])
    )
    .values({name: sa.bindparam(f"of_{name}") for name in CHANGING})
)


def _take(connection: Connection, turns: Sequence[Turn]) -> bool:
    """Record turns of live tasks of their own node; returns whether it reached a task.

    One statement for all, since each statement costs. So the tasks that it missed are unknown.
    """
    reached = execute(connection, _TURN, [_parameters(turn) for turn in turns])
    if len(turns) > 1 and reached < len(turns):
        raise NotAll
    return reached > 0


def _parameters(turn: Turn) -> dict[str, Any]:
    """Parameters with a prefix, since a column's name would mean its new value."""
    changed = {f"of_{name}": turn.values[name] for name in CHANGING}
    return {"of_id": turn.task_id, "of_node": turn.node, **changed}
