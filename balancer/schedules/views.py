"""Schedules as the API shows them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from balancer.schedules.definitions import known_of
from balancer.schedules.firing import owner_gone
from balancer.schedules.schedule import Schedule
from slotgrid.core.deadlines import iso
from slotgrid.core.errors import InvalidSubmission
from slotgrid.core.schema import REDACTED
from slotgrid.core.spec import Catalog
from slotgrid.records.store.schedules import Run, Stored

NEXT_RUNS = 5
Json = dict[str, Any]


class ScheduleViews:
    """Makes the JSON of schedules; `writeOnly` parts of inputs and the secrets of webhooks hidden.

    `owner_exists` is as in `firing`.
    """

    def __init__(self, catalog: Catalog, owner_exists: Callable[[str], bool]) -> None:
        self._catalog = catalog
        self._owner_exists = owner_exists

    def show(self, stored: Stored, runs: Sequence[Run]) -> Json:
        """One schedule, with its next firings and the given last ones."""
        fault, schedule = None, known_of(stored).schedule
        if isinstance(schedule, InvalidSubmission):
            fault = f"its definition is no longer valid: {schedule.detail}"
            body: Mapping[str, Any] = orjson.loads(stored.body)
            shown = {field: body.get(field) for field in ("cron", "timezone", "function")}
            next_runs: Sequence[float] = ()
        else:
            shown, next_runs = self._definition(schedule), _next_runs(schedule, stored)
        if fault is None and not self._owner_exists(stored.owner):
            fault, next_runs = owner_gone(stored.owner), ()
        return {
            "name": stored.name,
            **shown,
            "enabled": stored.enabled and fault is None,
            "fault": fault,
            "owner": stored.owner,
            "origin": stored.origin,
            "created_at": iso(stored.created_at),
            "changed_at": iso(stored.changed_at),
            "next_runs": [iso(at) for at in next_runs],
            "last_runs": [_run(run) for run in runs],
        }

    def _definition(self, schedule: Schedule) -> Json:
        submission = schedule.submission
        return {
            "cron": schedule.cron.text,
            "timezone": schedule.cron.zone.key,
            "function": submission.function,
            "input": self._input(schedule),
            "group": submission.group or "default",
            "contract": submission.contract,
            "priority": submission.priority,
            "mode": submission.mode,
            "webhook": None if submission.webhook is None else {"url": submission.webhook.url},
            "timeout_s": submission.timeout_s,
            "place": schedule.body.get("place"),
            "metadata": submission.metadata,
            "overlap": schedule.overlap,
            "missed": schedule.missed,
        }

    def _input(self, schedule: Schedule) -> Any:
        submission = schedule.submission
        spec = self._catalog.find(submission.function, submission.group, submission.contract)
        if spec is None:  # it is unknown which values are secret
            return dict.fromkeys(submission.input, REDACTED)
        return spec.input.redacted(submission.input)


def _next_runs(schedule: Schedule, stored: Stored) -> list[float]:
    if stored.next_at is None:
        return []
    return [stored.next_at, *schedule.cron.next_runs(stored.next_at, NEXT_RUNS - 1)]


def _run(run: Run) -> Json:
    return {
        "due_at": iso(run.due_at),
        "fired_at": iso(run.fired_at),
        "outcome": run.outcome,
        "task_id": run.task_id,
        "task_status": run.task_status,
        "reason": run.reason,
    }
