"""Triggers of Strøm as entries of `schedules.yaml` and `hooks.yaml`."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cronsim import CronSim, CronSimError

from slotgrid.imports.notes import Notes
from slotgrid.imports.stroem_model import Part

_CLOCK_ERRORS = (CronSimError, ValueError)
SCHEDULER_KEYS = frozenset(
    {"type", "cron", "timezone", "task", "input", "concurrency", "enabled", "name", "description"}
)
WEBHOOK_KEYS = frozenset(
    {"type", "name", "task", "secret", "input", "enabled", "mode", "timeout_secs", "description"}
)
SYNC_MOST_S = 30
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def schedule_of(trigger: Part, functions: Mapping[str, str], notes: Notes) -> dict[str, Any] | None:
    """The schedule of a trigger of type `scheduler`; None with a note if it has none."""
    value = trigger.value
    function = _function(trigger, functions, notes)
    cron = value.get("cron")
    if function is None:
        return None
    if not isinstance(cron, str) or (fault := _cron_fault(cron)) is not None:
        why = "it has no `cron`" if not isinstance(cron, str) else fault
        notes.left_out(trigger.line("cron"), f"the trigger `{trigger.name}`: {why}")
        return None
    _unknown(trigger, SCHEDULER_KEYS, notes)
    made: dict[str, Any] = {"name": _name(trigger.name), "cron": cron}
    if isinstance(value.get("timezone"), str):
        made["timezone"] = value["timezone"]
    made["function"] = function
    if given := _input(trigger, notes):
        made["input"] = given
    overlap = value.get("concurrency", "allow")
    if overlap not in {"allow", "skip", "cancel_previous"}:
        notes.left_out(trigger.line("concurrency"), f"`concurrency: {overlap}`")
        overlap = "allow"
    made["overlap"] = overlap
    made["missed"] = "run_once"
    if value.get("enabled") is False:
        made["enabled"] = False
    return made


def hook_of(trigger: Part, functions: Mapping[str, str], notes: Notes) -> dict[str, Any] | None:
    """The hook of a trigger of type `webhook`; None with a note if it has none."""
    value = trigger.value
    function = _function(trigger, functions, notes)
    if function is None:
        return None
    _unknown(trigger, WEBHOOK_KEYS, notes)
    name = _name(str(value.get("name") or trigger.name))
    variable = f"HOOK_{re.sub(r'[^A-Z0-9]+', '_', name.upper()).strip('_')}_SECRET"
    if value.get("secret"):
        notes.differs(
            trigger.line("secret"),
            f"the secret of the hook `{name}` is not written: set {variable}, 16 characters or "
            "more, in the environment or .env of the balancer",
        )
    else:
        notes.left_out(
            trigger.line(),
            f"the hook `{name}` takes requests without a secret: hooks need one, set {variable}",
        )
    notes.differs(
        trigger.line(),
        f"the hook `{name}` takes POST only, and the secret only as `Authorization: Bearer`",
    )
    made: dict[str, Any] = {
        "name": name,
        "function": function,
        "verify": "bearer",
        "secret": f"${{{variable}}}",
        "input": "request",
    }
    if value.get("mode") == "sync":
        made["mode"] = "sync"
        limit = value.get("timeout_secs", SYNC_MOST_S)
        if limit != SYNC_MOST_S:
            notes.differs(
                trigger.line("timeout_secs"), f"a sender waits for a result for {SYNC_MOST_S} s"
            )
    if given := _input(trigger, notes):
        made["defaults"] = given
    if value.get("enabled") is False:
        made["enabled"] = False
    return made


def given_by(trigger: Part) -> list[str]:
    """The members of a task's input that the trigger gives."""
    given = trigger.value.get("input")
    return [str(name) for name in given] if isinstance(given, dict) else []


def _function(trigger: Part, functions: Mapping[str, str], notes: Notes) -> str | None:
    task = trigger.value.get("task")
    function = functions.get(task) if isinstance(task, str) else None
    if function is None:
        notes.left_out(
            trigger.line("task"),
            f"the trigger `{trigger.name}` starts `{task}`, which is no task that was imported",
        )
    return function


def _input(trigger: Part, notes: Notes) -> dict[str, Any]:
    given = trigger.value.get("input")
    if given is None:
        return {}
    if not isinstance(given, dict):
        notes.left_out(trigger.line("input"), "`input` is no mapping")
        return {}
    made = {}
    for key, value in given.items():
        if "{{" in str(value):
            notes.left_out(
                trigger.line("input", key), f"`{key}` of `{trigger.name}` has a template"
            )
        else:
            made[str(key)] = value
    return made


def _cron_fault(cron: str) -> str | None:
    if re.search(r"\d+W", cron):
        return f"`{cron}`: the nearest working day (`W`) has no counterpart"
    try:
        CronSim(cron, _BEGIN)
    except _CLOCK_ERRORS as fault:
        return f"`{cron}` is no cron expression: {fault}"
    return None


def _name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:200] or "trigger"


def _unknown(trigger: Part, known: frozenset[str], notes: Notes) -> None:
    for key in trigger.value:
        if key not in known:
            notes.left_out(trigger.line(key), f"`{key}` is no key of this trigger")
