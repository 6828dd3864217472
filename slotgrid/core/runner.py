"""The protocols that run a task, and the exceptions of an attempt."""

from collections.abc import Coroutine
from typing import Any, Protocol

from slotgrid.core.errors import ServiceError
from slotgrid.core.lease import Lease
from slotgrid.core.task import Task


class AttemptFailed(Exception):
    """One attempt ended with `error`; `retryable`: another attempt may succeed."""

    def __init__(self, error: ServiceError, *, retryable: bool) -> None:
        super().__init__(error.detail)
        self.error = error
        self.retryable = retryable


class Refused(Exception):
    """The slot was not free after all. Not a failure: the task has not started.

    The task returns to its old place in the queue after `pause_s` seconds without a slot.
    """

    def __init__(self, *, pause_s: float = 0.0) -> None:
        super().__init__(pause_s)
        self.pause_s = pause_s


class SlotRunner(Protocol):
    """Runs a task on a leased slot: here (worker) or on another machine (balancer)."""

    async def run(self, task: Task, lease: Lease) -> bytes:
        """The function's result as JSON. Raises AttemptFailed, Refused, or CancelledError.

        Always ends, within the function's deadline plus the bounded steps after it.
        """

    def clean(self, task: Task, lease: Lease) -> Coroutine[Any, Any, None] | None:
        """The cleanup of the slot for the next task; None if it needs none.

        The coroutine is bounded in time and never raises.
        """


class SlotlessRunner(Protocol):
    """Runs a task whose function needs no slot."""

    async def run(self, task: Task) -> bytes:
        """As `SlotRunner.run`."""


class Runner(Protocol):
    """Runs any task of a node: on its lease, or without one if its function needs no slot."""

    async def run(self, task: Task, lease: Lease | None) -> bytes:
        """As `SlotRunner.run`."""

    def clean(self, task: Task, lease: Lease) -> Coroutine[Any, Any, None] | None:
        """As `SlotRunner.clean`."""
