"""Delivers the answers of ended tasks: one attempt a step, every attempt on record."""

from collections.abc import Callable
from typing import Any

import orjson
import structlog

from slotgrid.core.addresses import AddressPolicy, AddressRefused
from slotgrid.core.errors import InvalidSubmission, Violation
from slotgrid.core.retry_schedule import RetrySchedule
from slotgrid.core.submission import Submission, Webhook
from slotgrid.core.task import TaskState
from slotgrid.core.webhooks import header_faults, signing_key
from slotgrid.records import store
from slotgrid.records.database import Database
from slotgrid.records.webhooks import (
    Delivery,
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
    """Makes the attempts of this node's deliveries. `sender` is set for as long as it runs.

    `count` is told of each attempt what follows it: `delivered`, `retry` or `failed`.
    """

    def __init__(
        self,
        database: Database,
        node: str,
        schedule: RetrySchedule,
        *,
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._node = node
        self._schedule = schedule
        self._count = count
        self.sender: WebhookSender | None = None

    async def attempt(self, task_id: str, number: int) -> dict[str, Any]:
        """Try once; `{again_in_s}` says after how many seconds to try again, None for never."""
        row = await surely(
            lambda: self._database.read(lambda connection: store.get(connection, task_id)), task_id
        )
        if row is None or row.delivery != "pending" or row.status in store.LIVE:
            return ENDED
        if row.node != self._node:
            return ENDED  # while we were silent, a peer has taken it over
        webhook = Submission.parse(orjson.loads(row.body)).webhook
        assert webhook is not None, "a delivery is pending only where a webhook was asked for"
        assert self.sender is not None
        attempt = await self.sender.send(
            Delivery(
                id=task_id,
                url=webhook.url,
                body=_body(row),
                headers=webhook.headers,
                secret=webhook.secret,
            )
        )
        again_in_s = None
        if attempt.outcome is Outcome.RETRY:
            again_in_s = self._schedule.delay_s(number, asked_s=attempt.asked_s)
        state = _state(attempt.outcome, again_in_s)
        made = attempt.to_json() | {"number": number}
        await surely(
            lambda: self._database.write(lambda c: store.note_attempt(c, task_id, state, made)),
            task_id,
        )
        self._count("retry" if state == "pending" else state)
        log.info(
            "webhook.attempt", task_id=task_id, number=number, state=state, status=attempt.status
        )
        return {"again_in_s": again_in_s}


def _state(outcome: Outcome, again_in_s: float | None) -> str:
    if outcome is Outcome.DELIVERED:
        return "delivered"
    return "failed" if again_in_s is None else "pending"


def _body(row: store.Row) -> bytes:
    detail = orjson.loads(row.detail)
    state = TaskState(row.status)
    data = {name: detail[name] for name in SHOWN if name in detail}
    if state is TaskState.COMPLETED:
        data["result"] = detail["result"]
    else:
        data["error"] = detail["error"]
    return webhook_body(state, row.finished_at, data)
