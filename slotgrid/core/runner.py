"""What runs a task on the slot that it was given, and how it says that this failed."""

from collections.abc import Coroutine
from typing import Any, Protocol

from slotgrid.core.errors import ServiceError
from slotgrid.core.lease import Lease
from slotgrid.core.task import Task


class AttemptFailed(Exception):
    """One attempt ended with `error`; `retryable` says whether another one makes sense."""

    def __init__(self, error: ServiceError, *, retryable: bool) -> None:
        super().__init__(error.detail)
        self.error = error
        self.retryable = retryable


class Refused(Exception):
    """The slot turned out not to be free. Not a failure: the task has not started.

    It returns to its own place in the queue, after `pause_s` seconds in which it holds no slot.
    """

    def __init__(self, *, pause_s: float = 0.0) -> None:
        super().__init__(pause_s)
        self.pause_s = pause_s


class Runner(Protocol):
    """Runs a task on a leased slot: here (worker) or on another machine (balancer)."""

    async def run(self, task: Task, lease: Lease) -> bytes:
        """The function's result as JSON. Raises AttemptFailed, Refused, or CancelledError.

        Ends, whatever the function does: within its deadline and the bounded steps after it.
        """

    def clean(self, task: Task, lease: Lease) -> Coroutine[Any, Any, None] | None:
        """What makes the slot fit for the next task; None when nothing must be done.

        The coroutine is bounded in time and never raises.
        """
