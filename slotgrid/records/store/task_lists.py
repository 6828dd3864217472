"""Pages of task records: filters, order and totals by the database."""

from collections.abc import Collection

import sqlalchemy as sa

from slotgrid.records.history import TaskFilter
from slotgrid.records.store.rows import Connection, Row
from slotgrid.records.tables import tasks


def select(
    connection: Connection,
    wanted: TaskFilter,
    *,
    limit: int,
    offset: int,
    without: Collection[str] = (),
) -> tuple[list[Row], int]:
    """A page of records, newest first, and the total number of matches.

    `without` are the ids of tasks to leave out.
    """
    where = sa.and_(sa.true(), *_conditions(wanted))
    if without:
        where &= tasks.c.id.not_in(without)
    total = connection.execute(sa.select(sa.func.count()).select_from(tasks).where(where)).scalar()
    query = (
        sa.select(tasks.c.id, tasks.c.summary)
        .where(where)
        .order_by(tasks.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return list(connection.execute(query)), total or 0


def _conditions(wanted: TaskFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.status is not None:
        found.append(tasks.c.status.in_(sorted(wanted.status)))
    pairs = (
        (tasks.c.function, wanted.function),
        (tasks.c.group_name, wanted.group),
        (tasks.c.worker, wanted.worker),
        (tasks.c.owner, wanted.owner),
        (tasks.c.owner, wanted.owner_only),
        (tasks.c.source, wanted.source),
        (tasks.c.delivery, wanted.delivery),
    )
    found += [column == value for column, value in pairs if value is not None]
    if wanted.parent is None:
        found.append(tasks.c.parent.is_(None))
    else:
        found.append(tasks.c.parent == wanted.parent)
    if wanted.schedule is not None:
        found += [tasks.c.source == "schedule", tasks.c.source_id == wanted.schedule]
    if wanted.since is not None:
        found.append(tasks.c.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(tasks.c.created_at < wanted.until)
    if wanted.q is not None:
        text = wanted.q.lower()
        found.append(
            sa.or_(
                tasks.c.id.contains(text, autoescape=True),
                sa.func.lower(tasks.c.function).contains(text, autoescape=True),
                sa.func.lower(tasks.c.error).contains(text, autoescape=True),
            )
        )
    return found
