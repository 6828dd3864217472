"""One table of what is due takes the place of DBOS, which drove webhooks before.

Adopts the tables of versions 1 to 3, which had no Alembic but a number in `slotgrid_meta`. The
migration raises that number, by which programs of an earlier version refuse to start.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

from slotgrid.records.revisions.tables_4 import due, log_lines, meta, metadata, tasks

revision = "4"
down_revision = None

BATCH = 1000
BASE_S, FACTOR, CEILING_S = 5.0, 4.0, 6 * 3600.0
"""Of the waits between attempts, without chance: `slotgrid.core.retry_schedule`."""

DBOS_SCHEMA = "dbos"
"""On PostgreSQL. On SQLite the tables of DBOS lie beside ours, in a file that is ours alone."""
DBOS_TABLES = (
    "operation_outputs", "workflow_input", "workflow_output", "workflow_events",
    "workflow_events_history", "workflow_schedules", "streams", "notifications", "queues",
    "application_versions", "workflow_status", "dbos_migrations",
)  # fmt: skip
OUR_WORKFLOWS = ("durable_task", "deliver_later")


def upgrade() -> None:
    """From any earlier version, or from an empty database."""
    connection = op.get_bind()
    before = _version(connection)
    if before is None:
        metadata.create_all(connection)
        connection.execute(meta.insert().values(name="schema", value=revision))
        return
    if before < 2:
        _make_tasks_anew(connection)
    if before < 3:
        log_lines.create(connection)
    due.create(connection)
    for rows in _due_rows(connection):
        connection.execute(due.insert(), rows)
    _drop_dbos(connection)
    connection.execute(meta.update().where(meta.c.name == "schema").values(value=revision))


def _version(connection: sa.Connection) -> int | None:
    if not sa.inspect(connection).has_table(meta.name):
        return None
    value = connection.execute(sa.select(meta.c.value).where(meta.c.name == "schema")).scalar()
    return None if value is None else int(value)


def _make_tasks_anew(connection: sa.Connection) -> None:
    """Indexes of the rows that they are for, `cancel_reason` and `size`; no `restores`.

    The table is made anew, since SQLite can take no constraint away. The sizes of what has ended
    are not known: it goes by its age.
    """
    for index in sa.inspect(connection).get_indexes(tasks.name):
        if not index["name"] or index.get("duplicates_constraint"):
            continue
        connection.execute(sa.text(f'DROP INDEX "{index["name"]}"'))
    connection.execute(sa.text(f"ALTER TABLE {tasks.name} RENAME TO slotgrid_tasks_1"))
    tasks.create(connection)
    kept = ", ".join(
        column.name for column in tasks.columns if column.name not in {"cancel_reason", "size"}
    )
    connection.execute(
        sa.text(
            f"INSERT INTO {tasks.name} ({kept}, size) SELECT {kept}, 0 FROM slotgrid_tasks_1"  # noqa: S608
        )
    )
    connection.execute(sa.text("DROP TABLE slotgrid_tasks_1"))


def _due_rows(connection: sa.Connection) -> Iterator[list[dict[str, Any]]]:
    """A row for each ended task whose webhook is still to be delivered, in batches."""
    last = ""
    while True:
        query = (
            sa.select(tasks.c.id, tasks.c.node, tasks.c.finished_at, tasks.c.deliveries)
            .where((tasks.c.delivery == "pending") & tasks.c.finished_at.is_not(None))
            .where(tasks.c.id > last)
            .order_by(tasks.c.id)
            .limit(BATCH)
        )
        found = list(connection.execute(query))
        if not found:
            return
        last = found[-1].id
        yield [_due_row(row) for row in found]


def _due_row(task: sa.Row[Any, Any, Any, Any]) -> dict[str, Any]:
    """After its last recorded attempt, as the schedule says; at once without any."""
    row = {"kind": "webhook", "ref": task.id, "node": task.node, "claimer": None}
    try:
        last = orjson.loads(task.deliveries)[-1]
        number = int(last["number"])  # from 1 in each round: a redelivery began a new one
        at = datetime.fromisoformat(last["at"]).timestamp()
    except (ValueError, LookupError, TypeError):  # none yet, or none that can be read
        return row | {"due_at": task.finished_at, "attempt": 1}
    wait_s = min(BASE_S * FACTOR ** min(number - 1, 10), CEILING_S)
    return row | {"due_at": at + wait_s, "attempt": number + 1}


def _drop_dbos(connection: sa.Connection) -> None:
    """Remove the workflows: the due rows replace them."""
    if connection.dialect.name == "sqlite":
        for table in DBOS_TABLES:
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
    elif _is_ours_alone(connection):
        connection.execute(sa.text(f"DROP SCHEMA {DBOS_SCHEMA} CASCADE"))


def _is_ours_alone(connection: sa.Connection) -> bool:
    """Whether the schema is there and ours to drop.

    Another application may have its workflows in the same one, or an administrator may own it:
    then it stays, and does no harm.
    """
    owned = sa.text(
        "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = :schema"
    )
    if not connection.execute(owned, {"schema": DBOS_SCHEMA}).scalar():
        return False
    if not sa.inspect(connection).has_table("workflow_status", schema=DBOS_SCHEMA):
        return False
    workflows = sa.table("workflow_status", sa.column("name"), schema=DBOS_SCHEMA)
    foreign = sa.select(workflows.c.name).where(workflows.c.name.not_in(OUR_WORKFLOWS)).limit(1)
    return connection.execute(foreign).first() is None
