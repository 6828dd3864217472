"""The state of a webhook's delivery, with all attempts."""

from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from slotgrid.records.store import due
from slotgrid.records.store.due import DueClaim, DueKind
from slotgrid.records.store.rows import Connection
from slotgrid.records.tables import tasks


def note_attempt(
    connection: Connection,
    claim: DueClaim,
    state: str,
    attempt: Mapping[str, Any],
    *,
    again_in_s: float | None,
) -> None:
    """Record an attempt at a webhook, the delivery's state, and when the next attempt is due.

    `again_in_s` is None if no attempt follows. An attempt whose claim was lost is listed and
    changes nothing else: the newer claim decides.
    """
    task_id = claim.ref
    # Lock the row: another node may record an attempt of a lost claim at the same time.
    query = sa.select(tasks.c.deliveries).where(tasks.c.id == task_id).with_for_update()
    made = connection.execute(query).scalar()
    if again_in_s is None or made is None:
        ours = due.remove(connection, claim)
    else:
        ours = due.try_again(connection, claim, again_in_s)
    if made is None:
        return  # the task was removed meanwhile
    values = {"deliveries": orjson.dumps([*_attempts(made), attempt]).decode()}
    if ours:
        values["delivery"] = state
    connection.execute(tasks.update().where(tasks.c.id == task_id).values(values))


def _attempts(made: str) -> list[Any]:
    """The attempts listed so far.

    None if the column is damaged: an attempt that cannot be recorded would be repeated for ever.
    """
    try:
        attempts = orjson.loads(made)
    except orjson.JSONDecodeError:
        return []
    return attempts if isinstance(attempts, list) else []


def deliver_again(connection: Connection, task_id: str, node: str) -> None:
    """Schedule a redelivery of the task's webhook by that node, from attempt 1."""
    again = {"delivery": "pending", "node": node}
    task = tasks.update().where(tasks.c.id == task_id).values(**again)
    if connection.execute(task).rowcount:
        due.schedule_now(connection, DueKind.WEBHOOK, [task_id], node)
