"""Matches waiting tasks with free slots; no other module does."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable

import msgspec

from slotgrid.core.errors import QueueFull, ServiceError, WaitExceeded
from slotgrid.core.gates import Gates
from slotgrid.core.lease import CLEANING, HELD, Lease, LeaseState, class_of
from slotgrid.core.priority_queue import Entry, TaskClass, TaskQueue
from slotgrid.core.slot_queues import SlotQueues
from slotgrid.core.slots import Slot, SlotSource
from slotgrid.core.task import Task

SMOOTHING = 0.1
"""Weight of the newest lease in the moving mean of lease times, the base of expected waits."""
RETRY_AFTER_CEILING_S = 60


class _Waiter:
    """A waiting task, and the future of its lease or error."""

    __slots__ = ("lease", "task")

    def __init__(self, task: Task, lease: "asyncio.Future[Lease]") -> None:
        self.task = task
        self.lease = lease


class Dispatcher:
    """Holds the queue, watches the slots, and hands out leases by `async with`.

    Invariant: after `wake`, no waiting task could run. So a new task may take a free slot at once
    if no task of its class waits.
    """

    def __init__(
        self,
        queue: TaskQueue[_Waiter],
        slots: SlotSource,
        gates: Gates,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._slots = slots
        self._gates = gates
        self.slot_queues = SlotQueues(queue, slots)
        self._clock = clock
        self._mean_run_s: dict[TaskClass, float] = {}
        self._entries: dict[str, Entry[_Waiter]] = {}
        self._reserved: dict[str, Lease] = {}
        self._rate_timer: asyncio.TimerHandle | None = None
        self._leases: set[Lease] = set()

    def lease(self, task: Task, *, wait_until: float | None) -> "LeaseRequest":
        """A lease for the task, to be entered with `async with`.

        Entering raises QueueFull at once, or WaitExceeded at `wait_until` (monotonic seconds;
        None waits without limit).
        """
        return LeaseRequest(self, task, wait_until)

    def wake(self) -> None:
        """Give each free slot to the first task that can use it; call this after any change."""
        while (entry := self._queue.pop(self._servable)) is not None:
            self._entries.pop(entry.item.task.id, None)
            # A cancelled waiter removes its entry only when it runs next. Until then its future
            # is done, and the slot goes to the next entry.
            if not entry.item.lease.done():
                entry.item.lease.set_result(self._take(entry.cls))
        self._arm_rate_timer()

    def reclassify(self, resolve_again: Callable[[Task], None]) -> None:
        """Move the waiting tasks of classes without any slots to their current classes.

        `resolve_again` may give a task another function of the same name, of a newer contract.
        """

        def anew(waiter: _Waiter) -> TaskClass:
            resolve_again(waiter.task)
            return class_of(waiter.task)

        for cls in self._queue.classes():
            if not self._slots.size(cls):
                self._queue.reclassify(cls, anew)
        self.wake()

    def position(self, task: Task) -> int:
        """1 = next among the tasks that wait for the same slots; 0 if the task does not wait."""
        entry = self._entries.get(task.id)
        return self._queue.position(entry) if entry else 0

    def expected_wait_s(self, cls: TaskClass, position: int) -> float | None:
        """Estimated seconds until the task at that position starts; None without data or slots."""
        mean, size = self._mean_run_s.get(cls.share), self._slots.size(cls.share)
        return round(position * mean / size, 1) if mean is not None and size else None

    @property
    def leased(self) -> int:
        """The number of leases."""
        return len(self._leases)

    def lease_states(self) -> Counter[LeaseState]:
        """How many leases are in each state."""
        return Counter(lease.state for lease in self._leases)

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return len(self._queue)

    def waiting_by_group(self) -> dict[str, int]:
        """How many tasks wait, by group."""
        counts: dict[str, int] = {}
        for entry in self._queue.entries():
            counts[entry.cls.group] = counts.get(entry.cls.group, 0) + 1
        return counts

    def take_now(self, cls: TaskClass) -> Lease | None:
        """A lease without waiting: None if no slot is free or a task of the class waits."""
        overtakes = len(self._queue) and self._queue.waits(cls)
        return self._take(cls) if not overtakes and self._servable(cls) else None

    def reserve(self, task: Task) -> Slot | None:
        """Take a slot now for the task's later `lease`; None if the task would have to wait.

        The caller calls `unreserve` when the task has ended.
        """
        lease = self.take_now(class_of(task))
        if lease is None:
            return None
        self._reserved[task.id] = lease
        return lease.slot

    def reserved(self, task: Task) -> Lease | None:
        """Remove and return the lease reserved for the task; None without one."""
        return self._reserved.pop(task.id, None)

    def unreserve(self, task: Task) -> None:
        """Give back the reserved lease of an ended task if the task has not used it."""
        if self._reserved and (lease := self.reserved(task)) is not None:
            self.give_back(lease)

    def enqueue(self, task: Task, cls: TaskClass) -> Entry[_Waiter]:
        """Queue the task. Raises QueueFull with `retry_after_s`, except for durable modes."""
        durable = task.durable
        if not durable:
            if self._queue.full:
                waiting = len(self._queue)
                raise self._full(f"{waiting} tasks are waiting, which is the limit", cls, waiting)
            # A task that its slot refused returns to its place, however many came meanwhile.
            if cls.slot is not None and not task.was_refused:
                self._check_slot_queue(cls, 1)
        future: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        entry = self._queue.push(
            cls,
            _Waiter(task, future),
            priority=task.submission.priority,
            arrival=task.queued_mono,
            bounded=not durable,
        )
        self._entries[task.id] = entry
        self._arm_rate_timer()
        return entry

    def check_slot_queue(self, cls: TaskClass, more: int) -> None:
        """Check that `more` durable tasks of the class may wait for the slot that it names.

        One of them does not wait if the slot is free. Raises QueueFull with `retry_after_s`.
        """
        starts = self._servable(cls) and not self._queue.waits(cls)
        self._check_slot_queue(cls, more - starts)

    def _check_slot_queue(self, cls: TaskClass, more: int) -> None:
        if (why := self.slot_queues.full(cls, more)) is not None:
            raise self._full(why, cls, self.slot_queues.waiting(cls))

    def _full(self, why: str, cls: TaskClass, waiting: int) -> QueueFull:
        wait_s = self.expected_wait_s(cls, waiting)
        return QueueFull(
            why,
            retry_after_s=min(RETRY_AFTER_CEILING_S, max(1, math.ceil(wait_s or 1))),
            expected_wait_s=wait_s,
        )

    def withdraw(self, entry: Entry[_Waiter]) -> None:
        """Remove a task that stops waiting; give back a lease already assigned to it."""
        self._entries.pop(entry.item.task.id, None)
        if not self._queue.remove(entry):
            lease = entry.item.lease
            if lease.done() and not lease.cancelled() and lease.exception() is None:
                self.give_back(lease.result())

    def expire(self, entry: Entry[_Waiter]) -> None:
        """End the wait of the task with WaitExceeded."""
        # A waiter cancelled in the same turn of the loop is still in the queue.
        if entry.waiting and not entry.item.lease.done():
            entry.item.lease.set_exception(self.wait_exceeded(entry))
            self.withdraw(entry)

    def wait_exceeded(self, entry: Entry[_Waiter]) -> ServiceError:
        """The error of a task that got no slot in time, with position, expected wait and reason."""
        task, position = entry.item.task, self._queue.position(entry)
        wait_s = self.expected_wait_s(entry.cls, position)
        return WaitExceeded(
            f"no slot became free within {self._clock() - task.queued_mono:.1f} s",
            task_id=task.id,
            position=position,
            expected_wait_s=wait_s,
            retry_after_s=max(1, math.ceil(wait_s)) if wait_s is not None else None,
            reason=self.closed_by(entry.cls) or "every slot is busy",
        )

    def closed_by(self, cls: TaskClass) -> str | None:
        """The reason, besides busy slots, why the class gets no slot; None without one."""
        by_gate = self._gates.closed_by(cls) if cls.gated else None
        return by_gate or self._slots.closed_by(cls)

    def give_back(self, lease: Lease) -> None:
        """End a lease, whatever its state, and give its slot to the next waiting task.

        Raises KeyError for a lease that has ended.
        """
        self._leases.remove(lease)
        held_s = self._clock() - lease.taken_at
        share = lease.cls.share
        mean = self._mean_run_s.get(share, held_s)
        self._mean_run_s[share] = mean + SMOOTHING * (held_s - mean)
        self._slots.give_back(lease.slot)
        if lease.cls.gated:
            self._gates.released(lease.cls)
        if len(self._queue):
            self.wake()

    def _servable(self, cls: TaskClass) -> bool:
        return self._slots.can_serve(cls) and (not cls.gated or self._gates.closed_by(cls) is None)

    def _take(self, cls: TaskClass) -> Lease:
        slot = self._slots.take(cls)
        if cls.gated:
            self._gates.passed(cls)
        lease = Lease(slot, cls, self._clock())
        self._leases.add(lease)
        return lease

    def _arm_rate_timer(self) -> None:
        """Call `wake` when the next rate window opens: no other change wakes its tasks."""
        if self._rate_timer is not None:
            self._rate_timer.cancel()
            self._rate_timer = None
        delays: list[float] = []
        for cls in self._queue.classes():
            if cls.gate is None:
                continue
            if (delay := self._gates.opens_in_s(cls)) is not None:
                delays.append(delay)
            elif self._servable(cls):  # the window opened after `wake` checked it
                delays.append(0.0)
        if delays:
            self._rate_timer = asyncio.get_running_loop().call_later(min(delays), self.wake)


class LeaseRequest(msgspec.Struct, eq=False):
    """`async with` that waits for a slot on entry and gives it back on exit.

    A slot that is being cleaned on exit is given back by the task that cleans it.
    """

    _dispatcher: Dispatcher
    _task: Task
    _wait_until: float | None
    _lease: Lease | None = None

    async def __aenter__(self) -> Lease:
        dispatcher, task = self._dispatcher, self._task
        lease = dispatcher.reserved(task) if dispatcher._reserved else None
        if lease is None:
            cls = class_of(task)
            lease = dispatcher.take_now(cls)
            if lease is None:
                lease = await self._wait(dispatcher.enqueue(task, cls))
        lease.move_to(HELD)
        self._lease = lease
        return lease

    async def __aexit__(self, *_: object) -> None:
        lease = self._lease
        if lease is not None and lease.state is not CLEANING:
            self._dispatcher.give_back(lease)

    async def _wait(self, entry: Entry[_Waiter]) -> Lease:
        dispatcher = self._dispatcher
        timer: asyncio.TimerHandle | None = None
        if self._wait_until is not None:
            loop, wait_s = asyncio.get_running_loop(), self._wait_until - time.monotonic()
            timer = loop.call_later(max(0.0, wait_s), dispatcher.expire, entry)
        try:
            return await entry.item.lease
        except asyncio.CancelledError:
            dispatcher.withdraw(entry)
            raise
        finally:
            if timer is not None:
                timer.cancel()
