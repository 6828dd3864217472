"""Webhook deliveries and their retries: one recorded attempt per claim."""

import time
from collections.abc import Callable
from functools import partial

import orjson
import structlog

from slotgrid.backoff import Backoff
from slotgrid.core.errors import InvalidSubmission, Violation
from slotgrid.core.fields import Webhook
from slotgrid.core.submission import Submission
from slotgrid.core.task_states import TaskState
from slotgrid.core.webhook_rules import header_faults, signing_key
from slotgrid.net.addresses import AddressPolicy, AddressRefused
from slotgrid.records.background_writes import retry_until_written
from slotgrid.records.database import Database
from slotgrid.records.store import deliveries, due, rows
from slotgrid.records.store.due import DueClaim
from slotgrid.webhooks.sender import (
    AT_ONCE,
    Delivery,
    DeliveryAttempt,
    Outcome,
    UrlFault,
    WebhookSender,
    webhook_body,
    webhook_target,
)

log = structlog.get_logger()

SHOWN = (
    "id", "function", "group", "contract", "status", "owner", "source", "worker", "created_at",
    "started_at", "finished_at", "queued_ms", "run_ms", "metadata", "artifacts",
)  # fmt: skip
"""The members of a task in a webhook, besides its result or error."""

BACKOFF = Backoff(first_s=5.0, ceiling_s=6 * 3600.0, factor=4.0)
"""With eight retries, a receiver that is down gets nine attempts within at most 13.6 hours:

| after failure | at most    | since the first, at most |
|---------------|------------|--------------------------|
| 1             | 5 s        | 5 s                      |
| 2             | 20 s       | 25 s                     |
| 3             | 1 min 20 s | 1 min 45 s               |
| 4             | 5 min 20 s | 7 min 5 s                |
| 5             | 21 min     | 28 min                   |
| 6             | 1 h 25 min | 1 h 54 min               |
| 7             | 5 h 41 min | 7 h 35 min               |
| 8             | 6 h        | 13 h 35 min              |

The first pauses are short, since most faults are restarts; the last ones are long enough for an
outage of one night.
"""
MARGIN_S = 15.0
"""The part of a claim beyond an attempt's time limit: to read the task and record the attempt."""


def check_webhook(webhook: Webhook, policy: AddressPolicy) -> None:
    """Check the webhook's headers, URL and secret, as far as possible without a request.

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
    """Makes attempts at webhooks. Fulfils `slotgrid.durable.due_work.DueHandler`.

    The task's row has the content of a delivery, the due row its time. An attempt, the state of
    the delivery and the next due time are recorded together. `count` is called after each attempt
    with `delivered`, `retry` or `failed`.
    """

    def __init__(
        self,
        database: Database,
        sender: WebhookSender,
        *,
        retries: int,
        timeout_s: float,
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._sender = sender
        self._retries = retries
        self._count = count
        self.lease_s = timeout_s + MARGIN_S
        self.at_once = AT_ONCE

    async def act(self, claim: DueClaim) -> None:
        """Make one attempt, or remove the due row if the delivery is no longer pending."""
        task_id = claim.ref
        row = await retry_until_written(
            lambda: self._database.read(lambda connection: rows.get(connection, task_id)), task_id
        )
        if row is None or row.delivery != "pending" or row.status in rows.LIVE:
            nothing = partial(due.remove, held=claim)
            await retry_until_written(lambda: self._database.write(nothing), task_id)
            return
        attempt = await self._send(row)
        again_in_s = None
        if attempt.outcome is Outcome.RETRY and claim.attempt <= self._retries:
            again_in_s = retry_in_s(claim.attempt, requested_pause_s=attempt.requested_pause_s)
        state = _state(attempt.outcome, again_in_s)
        made = attempt.to_json() | {"number": claim.attempt}
        note = partial(
            deliveries.note_attempt, claim=claim, state=state, attempt=made, again_in_s=again_in_s
        )
        await retry_until_written(lambda: self._database.write(note), task_id)
        self._count("retry" if state == "pending" else state)
        log.info(
            "webhook.attempt",
            task_id=task_id,
            number=claim.attempt,
            state=state,
            status=attempt.status,
        )

    async def _send(self, row: rows.Row) -> DeliveryAttempt:
        at = time.time()
        try:
            return await self._sender.send(_delivery(row))
        except Exception as error:
            # A defect of the node, such as an unreadable record, counts as a failed attempt. If it
            # were raised, the delivery would be neither made nor given up.
            log.exception("webhook.attempt_broke", task_id=row.id)
            why = f"the node failed on the webhook: {type(error).__name__}"
            return DeliveryAttempt(at=at, duration_ms=0, outcome=Outcome.RETRY, error=why)


def retry_in_s(failures: int, *, requested_pause_s: float | None) -> float:
    """Seconds to wait after that many failures (1 for the first).

    `requested_pause_s`: the receiver's `Retry-After`, a lower bound of the wait, up to the ceiling.
    """
    return max(BACKOFF.pause_s(failures), min(requested_pause_s or 0.0, BACKOFF.ceiling_s))


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
