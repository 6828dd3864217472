"""The answer 202: what is recorded is accepted, and only that."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from slotgrid.core.errors import Conflict, DatabaseUnavailable
from slotgrid.core.states import TaskState
from slotgrid.core.task import Task
from slotgrid.intake.node import Node
from slotgrid.records.store.acceptance import Accepted


async def accept(
    node: Node, tasks: Sequence[Task], keys: Sequence[str | None], hashes: Sequence[str]
) -> list[dict[str, Any]]:
    """Record the tasks, all or none; `{id, status, queue_position}` of each, or of its earlier one.

    Raises Conflict if a key stands for another body.
    """
    assert node.durable is not None, "admission lets durable modes in only where they are offered"
    submitted = list(zip(tasks, keys, hashes, strict=True))
    answers = []
    for accepted in await node.durable.accept(submitted):
        if accepted.conflict:
            raise Conflict("this Idempotency-Key stands for another body", task_id=accepted.task_id)
        answers.append(await _state(node, accepted))
    return answers


async def _state(node: Node, accepted: Accepted) -> dict[str, Any]:
    """How a task stands; of one that is new and not in memory, nobody needs to ask the database."""
    task_id = accepted.task_id
    held = node.history.get(task_id)
    if held is not None:
        waits = held.state is TaskState.QUEUED
        position = node.dispatcher.position(held) if waits else 0
        return {"id": task_id, "status": held.state, "queue_position": position}
    place = accepted.position
    if accepted.replayed:
        place = await _place(node, task_id) if accepted.state is TaskState.QUEUED else 0
    return {"id": task_id, "status": accepted.state, "queue_position": place}


async def _place(node: Node, task_id: str) -> int | None:
    """Where a recorded task waits, if that can be found out: it is accepted in any case."""
    with suppress(DatabaseUnavailable):
        found = await node.ledger.find(task_id)
        if found is not None:
            place: int | None = (await node.ledger.show(found)).get("queue_position")
            return place
    return None
