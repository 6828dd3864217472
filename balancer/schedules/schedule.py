"""A schedule: when it fires, and the task that it starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from balancer.definition_readers import choice_of, invalid, read_flag, read_name
from balancer.schedules.cron import Cron, CronFault, zone_named
from slotgrid.core.errors import Violation
from slotgrid.core.field_readers import FIELDS
from slotgrid.core.fields import Mode
from slotgrid.core.json_readers import Reader, Wrong, kind_of, read_fields, read_text
from slotgrid.core.submission import Submission
from slotgrid.records.store.schedule_firings import Overlap

OF_TASK = (
    "function", "input", "group", "contract", "priority", "mode", "webhook", "timeout_s", "place",
    "metadata",
)  # fmt: skip
"""The fields of a schedule that are fields of its tasks."""
OF_TIME = ("cron", "timezone")
UTC = "UTC"


class Missed(StrEnum):
    """What becomes of firings for which no balancer ran."""

    SKIP = "skip"
    RUN_ONCE = "run_once"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A checked definition. `body` has the given fields but `name`, `owner` and `enabled`.

    `owner` is the one that the file names, or None.
    """

    name: str
    cron: Cron
    overlap: Overlap
    missed: Missed
    enabled: bool
    submission: Submission
    body: Mapping[str, Any]
    owner: str | None = None

    @classmethod
    def parse(
        cls, given: object, *, name: str | None = None, from_file: bool = False
    ) -> "Schedule":
        """Check a definition; `name` is given by the path. Raises InvalidSubmission."""
        if not isinstance(given, dict):
            raise invalid([Violation("", f"expected an object, got {kind_of(given)}")], "the body")
        readers = {**READERS, "owner": read_text} if from_file else READERS
        body = given if name is None else {"name": name, **given}
        values, faults = read_fields(body, readers)
        faults += [
            Violation(f"/{required}", "is required")
            for required in ("name", "cron", "function")
            if required not in body
        ]
        if name is not None and values.get("name", name) != name:
            faults.append(Violation("/name", f'is "{values["name"]}", but the path says "{name}"'))
        zone = values.get("timezone") or (zone_named(UTC) if "timezone" not in body else None)
        cron = None
        if zone is not None and "cron" in values:
            try:
                cron = Cron.parse(values["cron"], zone)
            except CronFault as fault:
                faults.append(Violation("/cron", str(fault)))
        faults += _webhook_faults(body, values)
        if faults or cron is None:
            raise invalid(faults, "the body")
        of_task = {field: body[field] for field in OF_TASK if field in body}
        of_task.setdefault("mode", Mode.WEBHOOK if "webhook" in body else Mode.ASYNC)
        return cls(
            name=values["name"],
            cron=cron,
            overlap=values.get("overlap", Overlap.SKIP),
            missed=values.get("missed", Missed.SKIP),
            enabled=values.get("enabled", True),
            submission=Submission.parse(of_task, size=len(orjson.dumps(of_task))),
            body={key: value for key, value in body.items() if key not in APART},
            owner=values.get("owner"),
        )

    @classmethod
    def stored(cls, name: str, body: str) -> "Schedule":
        """The definition of a record. Raises InvalidSubmission if it is no longer valid."""
        return cls.parse(orjson.loads(body), name=name)

    @property
    def stored_body(self) -> str:
        """The JSON for the record; equal definitions have equal text."""
        return orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS).decode()

    def fires_as(self, other: Mapping[str, Any]) -> bool:
        """Whether a body has the same times."""
        return all(
            self.body.get(field, default) == other.get(field, default)
            for field, default in (("cron", None), ("timezone", UTC))
        )


APART = frozenset({"name", "owner", "enabled"})
"""Fields that have columns of their own."""


def _webhook_faults(body: Mapping[str, Any], values: Mapping[str, Any]) -> list[Violation]:
    if "mode" in body and "mode" not in values:
        return []
    mode = values.get("mode", Mode.WEBHOOK if "webhook" in body else Mode.ASYNC)
    if mode is Mode.WEBHOOK and "webhook" not in body:
        return [Violation("/webhook", "is required by mode webhook")]
    if mode is Mode.ASYNC and "webhook" in body:
        return [Violation("/webhook", "goes with mode webhook, not with mode async")]
    return []


def _zone(value: object) -> Any:
    try:
        return zone_named(read_text(value))
    except CronFault as fault:
        raise Wrong.because(str(fault)) from None


def _durable_mode(value: object) -> Mode:
    mode: Mode = FIELDS["mode"](value)
    if not mode.durable:
        raise Wrong.because(f"must be async or webhook, got {mode}: no caller waits for a firing")
    return mode


READERS: Mapping[str, Reader] = {
    "name": read_name,
    "cron": read_text,
    "timezone": _zone,
    **{field: FIELDS[field] for field in OF_TASK},
    "mode": _durable_mode,
    "overlap": choice_of(Overlap),
    "missed": choice_of(Missed),
    "enabled": read_flag,
}
