"""Delivers the answers of ended tasks: one attempt a step, every attempt on record."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import structlog

from slotgrid.core.addresses import AddressPolicy, AddressRefused
from slotgrid.core.errors import InvalidSubmission, Violation
from slotgrid.core.fields import Webhook
from slotgrid.core.retry_schedule import RetrySchedule
from slotgrid.core.states import TaskState
from slotgrid.core.submission import Submission
from slotgrid.core.webhooks import header_faults, signing_key
from slotgrid.records.database import Database
from slotgrid.records.dbos_engine import DurableEngine
from slotgrid.records.store import deliveries, rows
from slotgrid.records.webhooks import (
    Delivery,
    DeliveryAttempt,
    Outcome,
    UrlFault,
    WebhookSender,
    webhook_body,
    webhook_target,
)
from slotgrid.records.writes import surely

log = structlog.get_logger()

SHOWN = (
    "id", "function", "group", "contract", "status", "owner", "source", "worker", "created_at",
    "started_at", "finished_at", "queued_ms", "run_ms", "metadata", "artifacts",
)  # fmt: skip
"""What of a task a webhook tells, beside its result or error."""

ENDED = {"again_in_s": None}
AT_ONCE = 64
"""First attempts at the same time: each has a connection, and holds what it sends in memory."""


def check_webhook(webhook: Webhook, policy: AddressPolicy) -> None:
    """Whether an answer can be delivered there, as far as can be told before it is tried.

    Raises InvalidSubmission with every fault.
    """
    faults = [
        Violation(f"/webhook/headers{fault.pointer}", fault.message)
        for fault in header_faults(webhook.headers)
    ]
    try:
        webhook_target(webhook.url, policy)
    except (UrlFault, AddressRefused) as fault:
        faults.append(Violation("/webhook/url", str(fault)))
    if webhook.secret is not None:
        try:
            signing_key(webhook.secret)
        except ValueError as fault:
            faults.append(Violation("/webhook/secret", str(fault)))
    if faults:
        first = faults[0]
        raise InvalidSubmission(f"{first.pointer}: {first.message}", errors=faults)


class WebhookDeliveries:
    """Makes this node's deliveries: the first attempt at once, those after it by the engine.

    What is to be delivered stands in the task's record. So the first attempt needs nothing that
    outlives the process: `resume` finds what came to no end. `count` is told of each attempt what
    follows it: `delivered`, `retry` or `failed`.
    """

    def __init__(
        self,
        database: Database,
        node: str,
        schedule: RetrySchedule,
        *,
        engine: Callable[["WebhookDeliveries"], DurableEngine],
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._node = node
        self._schedule = schedule
        self._engine = engine(self)
        self._count = count
        self._sender: WebhookSender | None = None
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._going_on: set[asyncio.Task[Any]] = set()
        self._ends = False
        self._at_once = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def running(self, sender: WebhookSender) -> AsyncIterator[None]:
        """Deliver as long as the block runs, beginning with what an earlier process left.

        Raises DatabaseFault.
        """
        self._sender = sender
        async with self._engine.running():
            await self.resume()
            try:
                yield
            finally:
                self._ends = True
                left = [*self._under_way.values(), *self._going_on]
                for delivering in left:
                    delivering.cancel()
                if left:
                    await asyncio.wait(left)

    async def resume(self) -> None:
        """Deliver what is to be delivered and nobody is at."""
        node = self._node
        owed = await self._database.read(lambda c: deliveries.undelivered(c, node))
        if not owed:
            return
        later = {workflow.split(":")[0] for workflow in await self._engine.unfinished()}
        for task_id in owed:
            if task_id not in later:
                self.begin(task_id)

    def begin(self, task_id: str) -> None:
        """Deliver the task's end, which is on record; unless that is being done.

        Before `running` nothing is sent yet: `resume` finds it there.
        """
        if task_id in self._under_way or self._ends or self._sender is None:
            return
        delivering = asyncio.get_running_loop().create_task(
            self._attempt_now(task_id), name=f"deliver {task_id}"
        )
        self._under_way[task_id] = delivering
        delivering.add_done_callback(lambda _: self._under_way.pop(task_id))

    async def go_on(self, task_id: str, number: int, again_in_s: float | None) -> None:
        """Make what follows attempt `number` in so many seconds; None means that nothing does.

        At the end of the node it is cancelled, also if it is called then: whoever waits for it
        is not done with the delivery, and takes it up again at the next start.
        """
        if self._ends:
            raise asyncio.CancelledError
        if again_in_s is None:
            return
        me = asyncio.current_task()
        assert me is not None
        self._going_on.add(me)
        try:
            # Of its own name each time: a delivery may be asked for while an older one still waits.
            workflow = f"{task_id}:{time.time_ns()}"
            await surely(lambda: self._engine.start(workflow, task_id, number, again_in_s), task_id)
        finally:
            self._going_on.discard(me)

    async def again(self, task_id: str) -> None:
        """Deliver it once more, from the first attempt. Raises DatabaseUnavailable."""
        await self._database.write(lambda c: deliveries.deliver_again(c, task_id, self._node))
        self.begin(task_id)

    async def forsake(self, node: str) -> None:
        """Make sure that nothing of what drove that node's deliveries goes on."""
        await self._engine.forsake(node)

    async def forget_ended(self, *, before: float, limit: int) -> None:
        """Remove what is kept of deliveries that ended before then."""
        await self._engine.forget_ended(before=before, limit=limit)

    async def _attempt_now(self, task_id: str) -> None:
        async with self._at_once:
            after = await self.attempt(task_id, 1)
        await self.go_on(task_id, 1, after["again_in_s"])

    async def attempt(self, task_id: str, number: int) -> dict[str, Any]:
        """Try once; `{again_in_s}` says after how many seconds to try again, None for never."""
        row = await surely(
            lambda: self._database.read(lambda connection: rows.get(connection, task_id)), task_id
        )
        if row is None or row.delivery != "pending" or row.status in rows.LIVE:
            return ENDED
        if row.node != self._node:
            return ENDED  # while we were silent, a peer has taken it over
        if number > 1 and number in _round(row):
            # Made, and its process ended before DBOS had it on record, or it is driven twice.
            return {"again_in_s": self._schedule.delay_s(number) or 0.0}
        attempt = await self._send(row)
        again_in_s = None
        if attempt.outcome is Outcome.RETRY:
            again_in_s = self._schedule.delay_s(number, asked_s=attempt.asked_s)
        state = _state(attempt.outcome, again_in_s)
        made = attempt.to_json() | {"number": number}
        await surely(
            lambda: self._database.write(
                lambda c: deliveries.note_attempt(c, task_id, state, made)
            ),
            task_id,
        )
        self._count("retry" if state == "pending" else state)
        log.info(
            "webhook.attempt", task_id=task_id, number=number, state=state, status=attempt.status
        )
        return {"again_in_s": again_in_s}

    async def _send(self, row: rows.Row) -> DeliveryAttempt:
        assert self._sender is not None
        at = time.time()
        try:
            return await self._sender.send(_delivery(row))
        except Exception as error:
            # A fault of ours, such as a record that cannot be read: it is tried again as often as
            # any other, since raised it would leave the delivery neither made nor given up.
            log.exception("webhook.attempt_broke", task_id=row.id)
            why = f"the node failed to send it: {type(error).__name__}"
            return DeliveryAttempt(at=at, duration_ms=0, outcome=Outcome.RETRY, error=why)


def _delivery(row: rows.Row) -> Delivery:
    webhook = Submission.parse(orjson.loads(row.body)).webhook
    assert webhook is not None, "a delivery is pending only where a webhook was asked for"
    return Delivery(
        id=row.id,
        url=webhook.url,
        body=_body(row),
        headers=webhook.headers,
        secret=webhook.secret,
    )


def _round(row: rows.Row) -> set[int]:
    """The numbers of the attempts on record since the last that began anew."""
    numbers = [attempt["number"] for attempt in orjson.loads(row.deliveries)]
    began = max((at for at, number in enumerate(numbers) if number == 1), default=0)
    return set(numbers[began:])


def _state(outcome: Outcome, again_in_s: float | None) -> str:
    if outcome is Outcome.DELIVERED:
        return "delivered"
    return "failed" if again_in_s is None else "pending"


def _body(row: rows.Row) -> bytes:
    detail = orjson.loads(row.detail)
    state = TaskState(row.status)
    data = {name: detail[name] for name in SHOWN if name in detail}
    if state is TaskState.COMPLETED:
        data["result"] = detail["result"]
    else:
        data["error"] = detail["error"]
    return webhook_body(state, row.finished_at, data)
