"""One table of due work replaces DBOS, which drove webhooks before.

Adopts the tables of versions 1 to 3, which had a number in `slotgrid_meta` instead of Alembic. The
migration raises that number, so that programs of an earlier version refuse to start.
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
"""Backoff between attempts, without jitter, as in `slotgrid.webhooks.deliveries`."""

DBOS_SCHEMA = "dbos"
"""On PostgreSQL. On SQLite, the tables of DBOS are in our own database file."""
DBOS_TABLES = (
    "operation_outputs", "workflow_input", "workflow_output", "workflow_events",
    "workflow_events_history", "workflow_schedules", "streams", "notifications", "queues",
    "application_versions", "workflow_status", "dbos_migrations",
)  # fmt: skip
OUR_WORKFLOWS = ("durable_task", "deliver_later")


def upgrade() -> None:
    """Upgrade any earlier version or an empty database."""
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
    """Rebuild the table with partial indexes, `cancel_reason` and `size`, without `restores`.

    A rebuild, since SQLite cannot drop a constraint. The sizes of ended tasks are unknown, so
    only their age removes them.
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
    """A due row for each ended task with a pending webhook, in batches."""
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
    """Due after the last recorded attempt plus its backoff; without attempts, due now."""
    row = {"kind": "webhook", "ref": task.id, "node": task.node, "claimer": None}
    try:
        last = orjson.loads(task.deliveries)[-1]
        number = int(last["number"])  # a redelivery begins again at 1
        at = datetime.fromisoformat(last["at"]).timestamp()
    except (ValueError, LookupError, TypeError):  # no attempt, or an unreadable one
        return row | {"due_at": task.finished_at, "attempt": 1}
    wait_s = min(BASE_S * FACTOR ** min(number - 1, 10), CEILING_S)
    return row | {"due_at": at + wait_s, "attempt": number + 1}


def _drop_dbos(connection: sa.Connection) -> None:
    """Drop the workflows of DBOS: due rows replace them."""
    if connection.dialect.name == "sqlite":
        for table in DBOS_TABLES:
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
    elif _is_ours_alone(connection):
        connection.execute(sa.text(f"DROP SCHEMA {DBOS_SCHEMA} CASCADE"))


def _is_ours_alone(connection: sa.Connection) -> bool:
    """Whether the schema exists and only we use it.

    The schema may contain another application's workflows, or an administrator may own it: then
    it stays, which does no harm.
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
