"""The answer to a durable submission, once it is recorded."""

from dataclasses import dataclass
from typing import Any

from slotgrid.core.states import TaskState


@dataclass(frozen=True, slots=True)
class Receipt:
    """An accepted task, or the earlier one that its idempotency key belongs to.

    `queue_position`: 0 runs or has ended, 1 is the next; None if it waits on disk at a position
    that the database did not tell.
    """

    id: str
    status: TaskState
    queue_position: int | None

    def to_json(self) -> dict[str, Any]:
        """The receipt as a 202 shows it."""
        return {"id": self.id, "status": self.status, "queue_position": self.queue_position}
