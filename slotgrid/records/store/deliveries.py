"""How the delivery of a task's webhook stands, with every attempt."""

from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from slotgrid.records.store.rows import LIVE, Connection
from slotgrid.records.tables import tasks


def note_attempt(
    connection: Connection, task_id: str, state: str, attempt: Mapping[str, Any]
) -> None:
    """Note an attempt at delivering a task's webhook, and how the delivery stands since."""
    query = sa.select(tasks.c.deliveries).where(tasks.c.id == task_id)
    if (made := connection.execute(query).scalar()) is None:
        return  # it was removed meanwhile
    attempts = orjson.dumps([*orjson.loads(made), attempt]).decode()
    connection.execute(
        tasks.update().where(tasks.c.id == task_id).values(delivery=state, deliveries=attempts)
    )


def undelivered(connection: Connection, node: str) -> list[str]:
    """The ids of ended tasks whose webhook is still to be delivered."""
    query = sa.select(tasks.c.id).where(
        (tasks.c.node == node) & (tasks.c.delivery == "pending") & tasks.c.status.not_in(LIVE)
    )
    return [row.id for row in connection.execute(query)]


def deliver_again(connection: Connection, task_id: str, node: str) -> None:
    """Note that the task's webhook is to be sent once more, by that node."""
    again = {"delivery": "pending", "node": node}
    connection.execute(tasks.update().where(tasks.c.id == task_id).values(**again))
