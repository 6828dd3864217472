"""The filters of `GET /tasks`, read from the query."""

from datetime import UTC, datetime

from aiohttp import web

from slotgrid.core.task_states import TaskState
from slotgrid.intake.query import bad_parameter
from slotgrid.records.history import TaskFilter

TEXTS = ("function", "group", "worker", "owner", "source", "schedule", "parent", "q")


def task_filter(request: web.Request) -> TaskFilter:
    """The filter that the query describes.

    Raises InvalidSubmission for an invalid time; `check_query` has checked the other
    parameters.
    """
    query = request.query
    return TaskFilter(
        status=_states(query["status"]) if "status" in query else None,
        delivery=query.get("delivery"),
        since=_moment("since", query.get("since")),
        until=_moment("until", query.get("until")),
        **{name: query[name] for name in TEXTS if name in query},
    )


def _states(text: str) -> frozenset[TaskState]:
    return frozenset(TaskState(part.strip(" ")) for part in text.split(","))


def _moment(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        # In a query, an unescaped plus sign is decoded as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise bad_parameter(
            name, f"expected an ISO 8601 time such as 2030-01-31T08:00:00Z, got {text!r}"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
