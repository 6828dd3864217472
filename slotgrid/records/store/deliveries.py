"""How the delivery of a task's webhook stands, with every attempt."""

from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from slotgrid.records.store import due
from slotgrid.records.store.due import Claim, DueKind
from slotgrid.records.store.rows import Connection
from slotgrid.records.tables import tasks


def note_attempt(
    connection: Connection,
    claim: Claim,
    state: str,
    attempt: Mapping[str, Any],
    *,
    again_in_s: float | None,
) -> None:
    """Note an attempt at a task's webhook, how its delivery stands, and when the next is due.

    `again_in_s` is None when nothing follows. An attempt whose claim was lost is listed and
    changes nothing else: another claim decides.
    """
    task_id = claim.ref
    # Locked: an attempt of a lost claim may be noted at the same moment, by another node.
    query = sa.select(tasks.c.deliveries).where(tasks.c.id == task_id).with_for_update()
    made = connection.execute(query).scalar()
    if again_in_s is None or made is None:
        ours = due.remove(connection, claim)
    else:
        ours = due.try_again(connection, claim, again_in_s)
    if made is None:
        return  # the task was removed meanwhile
    values = {"deliveries": orjson.dumps([*orjson.loads(made), attempt]).decode()}
    if ours:
        values["delivery"] = state
    connection.execute(tasks.update().where(tasks.c.id == task_id).values(values))


def deliver_again(connection: Connection, task_id: str, node: str) -> None:
    """Note that the task's webhook is to be sent once more by that node, from attempt 1."""
    again = {"delivery": "pending", "node": node}
    task = tasks.update().where(tasks.c.id == task_id).values(**again)
    if connection.execute(task).rowcount:
        due.schedule_now(connection, DueKind.WEBHOOK, [task_id], node)
