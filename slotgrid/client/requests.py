"""Requests of a client: the fields of a task, and the filters of a list of tasks."""

from collections.abc import Mapping
from typing import Any, TypedDict

from slotgrid.client.responses import JsonObject


class TaskFields(TypedDict, total=False):
    """The fields of `POST /task` beside `function`, `input` and `mode`; None counts as omitted."""

    group: str | None
    contract: int | None
    priority: int | None
    timeout_s: float | None
    wait_s: float | None
    place: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None


class DurableFields(TaskFields, total=False):
    """Fields of the durable modes; `webhook` (`{url, headers?, secret?}`) selects that mode."""

    webhook: Mapping[str, Any] | None
    not_before: str | None
    expires_at: str | None


class ChangeFilters(TypedDict, total=False):
    """The filters of `GET /events`; None counts as omitted."""

    owner: str | None
    function: str | None
    group: str | None
    worker: str | None
    pool: str | None
    slot: int | None
    parent: str | None


class TaskFilters(TypedDict, total=False):
    """The filters of `GET /tasks`; None counts as omitted, times are ISO 8601."""

    status: str | None
    function: str | None
    group: str | None
    worker: str | None
    owner: str | None
    source: str | None
    schedule: str | None
    parent: str | None
    delivery: str | None
    since: str | None
    until: str | None
    q: str | None


def without_none(filters: TaskFilters) -> dict[str, str]:
    """The query parameters of `GET /tasks`."""
    return {name: str(value) for name, value in filters.items() if value is not None}


def idempotency_header(idempotency_key: str | None) -> dict[str, str]:
    """The idempotency header, by which a repeated request gets the same task."""
    return {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}


def submission(
    mode: str,
    function: str,
    input_: Mapping[str, Any] | None,
    fields: TaskFields | DurableFields,
) -> JsonObject:
    """The body of `POST /task`."""
    wanted = {name: value for name, value in fields.items() if value is not None}
    return {"function": function, "input": dict(input_ or {}), "mode": mode, **wanted}
