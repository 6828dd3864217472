"""The answer 202: what is recorded is accepted, and only that."""

from collections.abc import Sequence
from typing import Any

from slotgrid.core.errors import Conflict
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
    for task, accepted in zip(tasks, await node.durable.accept(submitted), strict=True):
        if accepted.conflict:
            raise Conflict("this Idempotency-Key stands for another body", task_id=accepted.task_id)
        answers.append(await _state(node, accepted, task))
    return answers


async def _state(node: Node, accepted: Accepted, new: Task) -> dict[str, Any]:
    """How a task stands; of one that is new and not in memory, nobody needs to ask the database."""
    task_id = accepted.task_id
    held = node.history.get(task_id)
    if held is not None:
        waits = held.state is TaskState.QUEUED
        position = node.dispatcher.position(held) if waits else 0
        return {"id": task_id, "status": held.state, "queue_position": position}
    if not accepted.replayed:
        return {"id": task_id, "status": new.state, "queue_position": accepted.position}
    earlier = await node.ledger.find(task_id)
    assert earlier is not None, "retention removes nothing that was accepted a moment ago"
    shown = await node.ledger.show(earlier)
    position = shown["queue_position"] if earlier.state is TaskState.QUEUED else 0
    return {"id": task_id, "status": earlier.state, "queue_position": position}
