"""Where a task runs, and its runner: on a slot, for which it waits, or on none."""

from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Any

from slotgrid.core.dispatcher import Dispatcher, LeaseRequest
from slotgrid.core.lease import Lease
from slotgrid.core.runner import SlotlessRunner, SlotRunner
from slotgrid.core.task import Task


class Placement:
    """Gives each attempt of a task its lease, or none if its function needs no slot.

    A task without a slot starts at once on this `node`. It is in no queue, so neither busy slots
    nor gates delay it.
    """

    def __init__(self, dispatcher: Dispatcher, *, node: str) -> None:
        self._dispatcher = dispatcher
        self.node = node

    def enter(self, task: Task, *, wait_until: float | None) -> LeaseRequest | nullcontext[None]:
        """The task's lease, or None, to be entered with `async with`; see `Dispatcher.lease`."""
        if task.spec.needs_slot:
            return self._dispatcher.lease(task, wait_until=wait_until)
        return nullcontext()

    def give_back(self, lease: Lease) -> None:
        """End a lease whose slot was cleaned after its `async with`."""
        self._dispatcher.give_back(lease)


class Runners:
    """The runners of a node. Implements `Runner`.

    `slotless` has the runners of functions that need no slot, by their kind.
    """

    def __init__(self, on_slots: SlotRunner) -> None:
        self._on_slots = on_slots
        self.slotless: dict[str, SlotlessRunner] = {}

    def run(self, task: Task, lease: Lease | None) -> Coroutine[Any, Any, bytes]:
        """As `Runner.run`."""
        if lease is None:
            return self.slotless[task.spec.kind].run(task)
        return self._on_slots.run(task, lease)

    def clean(self, task: Task, lease: Lease) -> Coroutine[Any, Any, None] | None:
        """As `Runner.clean`."""
        return self._on_slots.clean(task, lease)
