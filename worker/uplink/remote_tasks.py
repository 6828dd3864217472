"""Tasks from balancers: started at once or refused, run once, reported until their end."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import structlog

from slotgrid.core.admission import Admission
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.errors import Internal, ServiceError, UnknownFunction, WorkerLost
from slotgrid.core.fields import ANYWHERE, Mode, Place
from slotgrid.core.lease import class_of
from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.observer import Observer
from slotgrid.core.offer import check_isolation
from slotgrid.core.slots import Slots
from slotgrid.core.submission import Submission
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.records.history import History
from slotgrid.wire.encoding import encode, knows
from slotgrid.wire.message_parts import Claim
from slotgrid.wire.messages import (
    Failed,
    Refusal,
    Refused,
    Started,
    TaskMessage,
)
from worker.uplink.relay import UNREPORTABLE, BalancerLink, Counts, Relay

log = structlog.get_logger()

RETRYABLE_KEPT = 1000


class _Refusal(Exception):
    """Why a task is not started."""

    def __init__(self, kind: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.kind: Refusal = kind
        self.reason = reason


class RemoteTasks(Observer):
    """All balancers' tasks that run here, or whose end is not yet reported.

    `counts` returns the free slots for one message.
    """

    def __init__(
        self,
        *,
        contract: int,
        status: NodeStatus,
        admission: Admission,
        dispatcher: Dispatcher,
        supervisor: Callable[[], Supervisor],
        history: History,
        slots: Slots,
        counts: Callable[[], Counts],
    ) -> None:
        self._contract = contract
        self._status = status
        self._admission = admission
        self._dispatcher = dispatcher
        self._supervisor = supervisor
        self._history = history
        self._slots = slots
        self._counts = counts
        self._relays: dict[str, Relay] = {}
        self._talking: list[Relay] = []
        self._retryable: OrderedDict[str, None] = OrderedDict()
        self._empty = asyncio.Event()
        self._empty.set()

    def offered(self, message: TaskMessage, balancer: BalancerLink) -> None:
        """Start the task now, or send a refusal or failure with the reason."""
        link = balancer.link
        assert link is not None
        try:
            started = self._start(message, balancer)
        except _Refusal as refusal:
            link.send(Refused(id=message.id, kind=refusal.kind, reason=refusal.reason), message.id)
        except ServiceError as error:
            self._fail(message.id, error, balancer)
        except Exception:  # a defect; the link continues, as it carries other tasks
            log.exception("uplink.cannot_start", task_id=message.id)
            self._fail(message.id, Internal("the worker failed on this task"), balancer)
        else:
            link.send(started, message.id)

    def _fail(
        self, task_id: str, error: ServiceError, balancer: BalancerLink, *, retryable: bool = False
    ) -> None:
        """Send the failure of a task that does not run here, if the balancer's link is up."""
        if balancer.link is None:
            return
        error.task_id = task_id
        free, free_slots, seq = balancer.readable(self._counts())
        message = Failed(
            id=task_id,
            problem=error.to_problem(),
            retryable=retryable,
            free=free,
            free_slots=free_slots,
            seq=seq,
        )
        balancer.link.send(message, task_id)

    def cancel(self, task_id: str, reason: str) -> None:
        """Cancel a task at its balancer's request, and report only its end."""
        relay = self._relays.get(task_id)
        if relay is None:
            return
        relay.skip_to_end()
        relay.notify()
        self._supervisor().cancel(relay.task, reason)

    def credited(self, task_id: str) -> None:
        """Continue the task's events: its balancer returned credits."""
        if (relay := self._relays.get(task_id)) is not None:
            relay.notify()

    def has(self, task: Task) -> bool:
        """Whether a balancer sent this task and its end is not yet reported."""
        return task.id in self._relays

    def attempt_failed(self, task: Task, *, retryable: bool) -> None:
        """Record whether a failed attempt of a balancer's task is retryable."""
        if (relay := self._relays.get(task.id)) is not None:
            relay.retryable = retryable
        if retryable:
            self._retryable[task.id] = None
            if len(self._retryable) > RETRYABLE_KEPT:
                self._retryable.popitem(last=False)

    def finished(self, task: Task) -> None:
        """Report a task's end, if a balancer sent it. Its slot is released right after this."""
        self._dispatcher.unreserve(task)
        if (relay := self._relays.get(task.id)) is not None:
            relay.ended = True
            relay.notify()

    def running(self) -> dict[str, tuple[str, ...]]:
        """The ids of all relayed tasks, by the boot of their balancer."""
        found: dict[str, tuple[str, ...]] = {}
        for relay in self._relays.values():
            boot = relay.balancer.boot
            found[boot] = (*found.get(boot, ()), relay.task.id)
        return found

    def agree(self, balancer: BalancerLink, claims: tuple[Claim, ...]) -> None:
        """After a reconnect: continue the tasks that the balancer claims, cancel its others."""
        claimed = {claim.id: claim for claim in claims}
        for task_id, relay in list(self._relays.items()):
            if relay.balancer is balancer and task_id not in claimed:
                self._drop(relay, "its balancer abandoned it")
        for claim in claims:
            claimed_one = self._relays.get(claim.id) or self._from_history(claim.id, balancer)
            if claimed_one is not None and claimed_one.balancer is balancer:
                claimed_one.resume_after(claim)
            else:
                self._report_unknown(claim.id, balancer)

    def give_up(self, balancer: BalancerLink) -> None:
        """Cancel the tasks of a balancer that did not reconnect in time."""
        for relay in list(self._relays.values()):
            if relay.balancer is balancer:
                self._drop(relay, "the link to its balancer was lost")

    async def wait_reported(self) -> None:
        """Wait until the end of every task has been reported."""
        await self._empty.wait()

    def _start(self, message: TaskMessage, balancer: BalancerLink) -> Started:
        """Start a task in a free slot. Raises _Refusal, or a ServiceError that fails the task."""
        earlier = self._history.get(message.id)
        self._check(message, earlier)
        submission = Submission(
            function=message.function,
            input=message.input,
            priority=message.priority,
            # The balancer records durable tasks; here each task is only in memory.
            mode=Mode.STREAM if message.mode == "stream" else Mode.SYNC,
            timeout_s=message.timeout_s,
            place=_place(message),
            metadata=message.metadata,
            trace=message.trace,
            size=len(encode(message.input)),
        )
        source = Source(message.source.kind, message.source.id)
        try:
            task = self._admission.readmit(
                submission, owner=message.owner, source=source, id=message.id
            )
        except UnknownFunction as error:
            raise _Refusal("function", error.detail) from error
        if message.pool is not None:
            check_isolation(
                task.spec, message.pool, persistent=message.pool in self._slots.persistent
            )
        task.restore(created_at=message.created_at, starts=message.attempt - 1, first_event=0)
        task.plain_names = not knows(balancer.protocol, 2)
        if earlier is not None:  # an earlier attempt's files are in the same folder
            task.artifacts.update(earlier.artifacts)
        slot = self._dispatcher.reserve(task)
        if slot is None:
            closed_by = self._dispatcher.closed_by(class_of(task))
            busy = "every slot is busy" if message.slot is None else f"slot {message.slot} is busy"
            raise _Refusal("held" if closed_by else "busy", closed_by or busy)
        self._relays[task.id] = Relay(task, balancer, self._note)
        self._empty.clear()
        self._supervisor().start(task)
        number = slot.index if balancer.knows_slots else self._slots.overall_number(slot)
        free, free_slots, seq = balancer.readable(self._counts())
        return Started(id=task.id, slot=number, free=free, free_slots=free_slots, seq=seq)

    def _check(self, message: TaskMessage, earlier: Task | None) -> None:
        state = self._status.state
        if state is NodeState.MAINTENANCE:
            raise _Refusal("maintenance", "the worker is in maintenance")
        if state is NodeState.DRAINING:
            raise _Refusal("draining", "the worker is draining")
        if state is NodeState.STARTING:
            raise _Refusal("held", "the worker is still starting")
        if message.contract != self._contract:
            raise _Refusal("contract", f"this worker has contract {self._contract}")
        if message.id in self._relays or (
            # Only a task in the history can still be ending, so this long search is rare.
            earlier is not None and any(task.id == message.id for task in self._supervisor().live)
        ):
            raise _Refusal("busy", "an earlier attempt of the task still cleans up")

    def _from_history(self, task_id: str, balancer: BalancerLink) -> Relay | None:
        """A relay for a task that ended while its balancer was away or just before; else None."""
        task = self._history.get(task_id)
        if task is None or not task.state.terminal:
            return None
        relay = self._relays[task_id] = Relay(task, balancer, self._note)
        relay.ended = True
        relay.retryable = task_id in self._retryable
        self._empty.clear()
        return relay

    def _report_unknown(self, task_id: str, balancer: BalancerLink) -> None:
        error = WorkerLost("the worker no longer has the task")
        self._fail(task_id, error, balancer, retryable=True)

    def _drop(self, relay: Relay, reason: str) -> None:
        relay.detach()
        self._forget(relay)
        if self._supervisor().cancel(relay.task, reason):
            log.warning("uplink.task_dropped", task_id=relay.task.id, reason=reason)

    def _forget(self, relay: Relay) -> None:
        if self._relays.get(relay.task.id) is relay:
            del self._relays[relay.task.id]
        if not self._relays:
            self._empty.set()

    def _note(self, relay: Relay) -> None:
        """Let the relay send in the next loop iteration, after an ended task released its slot."""
        if not self._talking:
            asyncio.get_running_loop().call_soon(self._report)
        self._talking.append(relay)

    def _report(self) -> None:
        talking, self._talking = self._talking, []
        for relay in talking:
            relay.noted = False
            try:
                ended = relay.send_pending(self._counts)
            except Exception:  # a fault with one task must not stop the reports of others
                log.exception("uplink.cannot_report", task_id=relay.task.id)
                relay.fail()
                self._supervisor().cancel(relay.task, UNREPORTABLE)
                ended = relay.send_pending(self._counts)
            if ended:
                self._forget(relay)


def _place(message: TaskMessage) -> Place:
    if message.pool is None and message.slot is None:
        return ANYWHERE
    return Place(pool=message.pool, slot=message.slot)
