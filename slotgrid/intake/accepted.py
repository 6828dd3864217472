"""The answer 202: what is recorded is accepted, and only that."""

from collections.abc import Sequence
from typing import Any

from slotgrid.core.errors import Conflict
from slotgrid.core.task import Task, TaskState
from slotgrid.intake.node import Node


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
        answers.append(await _state(node, accepted.task_id, None if accepted.replayed else task))
    return answers


async def _state(node: Node, task_id: str, new: Task | None) -> dict[str, Any]:
    """How a task stands; of one that is new and not in memory, nobody needs to ask the database."""
    held = node.history.get(task_id)
    found = held or new or await node.ledger.find(task_id)
    assert found is not None, "retention removes nothing that was accepted a moment ago"
    position: int | None = 0
    if found.state is TaskState.QUEUED:
        # On disk it waits behind all of its class in memory: how far is not worth a count.
        position = node.dispatcher.position(held) if held is not None else None
    return {"id": task_id, "status": found.state, "queue_position": position}
