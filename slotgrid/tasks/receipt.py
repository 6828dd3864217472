"""The answer to a durable submission, once it is recorded."""

from dataclasses import dataclass
from typing import Any

from slotgrid.core.task_states import TaskState


@dataclass(frozen=True, slots=True)
class Receipt:
    """An accepted task, or the earlier task of the same idempotency key.

    `queue_position`: 0 if it runs or has ended, 1 if it is the next; None if it waits on disk and
    the database could not return its position.
    """

    id: str
    status: TaskState
    queue_position: int | None

    def to_json(self) -> dict[str, Any]:
        """The receipt in the body of a 202."""
        return {"id": self.id, "status": self.status, "queue_position": self.queue_position}
