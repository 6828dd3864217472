"""Due work: scheduled, claimed by one node, rescheduled or removed.

All times are by the database's clock, so that a node's wrong clock does no harm.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from slotgrid.records.store.clock import clock_of
from slotgrid.records.store.rows import Connection, execute
from slotgrid.records.tables import due as table


class DueKind(StrEnum):
    """Kinds of due work."""

    WEBHOOK = "webhook"
    """The next attempt at the webhook of an ended task; `ref` is the task's id."""
    SCHEDULE = "schedule"
    """The next firing of a schedule; `ref` is its name."""


@dataclass(frozen=True, slots=True)
class DueClaim:
    """The right to act on one row until `until`, in seconds since the epoch.

    If the claim is lost, the row has another `due_at` or another claimer, so a query detects the
    loss. `attempt` counts from 1. Without a claimer the row is only read: `until` is its due time,
    and the transaction of the act makes the claim.
    """

    kind: DueKind
    ref: str
    attempt: int
    claimer: str | None
    until: float
    late_s: float = 0.0
    """Seconds between the due time and the read, by the database's clock."""

    @property
    def holds(self) -> sa.ColumnElement[bool]:
        """Condition: the row, while the claim is valid."""
        return (
            _row(self.kind, self.ref)
            & (table.c.claimer == self.claimer)
            & (table.c.due_at == self.until)
        )


def _schedule(insert: postgresql.Insert | sqlite.Insert) -> sa.Insert:
    """Insert a row, or reset an existing one."""
    columns = ("node", "claimer", "due_at", "attempt")
    return insert.on_conflict_do_update(
        index_elements=[table.c.kind, table.c.ref],
        set_={name: insert.excluded[name] for name in columns},
    )


_SCHEDULE = {
    "sqlite": _schedule(sqlite.insert(table)),
    "postgresql": _schedule(postgresql.insert(table)),
}


def schedule_now(
    connection: Connection, kind: DueKind, refs: Sequence[str], node: str | None
) -> None:
    """Make work due now, from its first attempt; an earlier claim on it is lost.

    `node` is the only node that may act; None for any.
    """
    if not refs:
        return
    now = clock_of(connection)
    rows = [
        {"kind": kind, "ref": ref, "node": node, "claimer": None, "due_at": now, "attempt": 1}
        for ref in refs
    ]
    execute(connection, _SCHEDULE[connection.dialect.name], rows)


def seconds_until_next(
    connection: Connection, kinds: Mapping[DueKind, Collection[str]], node: str
) -> float | None:
    """Seconds until the node's next row is due, 0 or less if one is due; None without rows.

    Each kind has the refs to leave out.
    """
    waits = []
    for kind, left_out in kinds.items():
        query = (
            sa.select(table.c.due_at)
            .where(_other_rows(kind, node, left_out))
            .order_by(table.c.due_at)
            .limit(1)
        )
        at: float | None = connection.execute(query).scalar()
        if at is not None:
            waits.append(at)
    return min(waits) - clock_of(connection) if waits else None


def claim(
    connection: Connection,
    kind: DueKind,
    node: str,
    *,
    lease_s: float,
    limit: int,
    under_way: Collection[str] = (),
) -> list[DueClaim]:
    """Claim at most `limit` due rows for `lease_s` seconds, the oldest first.

    `under_way` are refs on which this process acts; their claims may have expired during an
    outage of the database. Exactly one node gets a row: the update checks `due_at` again, which
    a claim moves.
    """
    now = clock_of(connection)
    is_due = (table.c.due_at <= now) & _other_rows(kind, node, under_way)
    # PostgreSQL skips rows that another node is claiming, instead of waiting for them.
    oldest = (
        sa.select(table.c.ref)
        .where(is_due)
        .order_by(table.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    refs = list(connection.execute(oldest).scalars())
    if not refs:
        return []
    until = now + lease_s
    claimed = (
        table.update()
        .where((table.c.kind == kind) & table.c.ref.in_(refs) & (table.c.due_at <= now))
        .values(claimer=node, due_at=until)
        .returning(table.c.ref, table.c.attempt)
    )
    attempts = {row.ref: row.attempt for row in connection.execute(claimed)}
    return [DueClaim(kind, ref, attempts[ref], node, until) for ref in refs if ref in attempts]


def due_now(
    connection: Connection,
    kind: DueKind,
    node: str,
    *,
    limit: int,
    under_way: Collection[str] = (),
) -> list[DueClaim]:
    """Read at most `limit` due rows, the oldest first; the transactions of their acts claim them.

    `under_way` are the refs on which this process acts already.
    """
    now = clock_of(connection)
    oldest = (
        sa.select(table.c.ref, table.c.attempt, table.c.due_at)
        .where((table.c.due_at <= now) & _other_rows(kind, node, under_way))
        .order_by(table.c.due_at)
        .limit(limit)
    )
    return [
        DueClaim(kind, row.ref, row.attempt, None, row.due_at, now - row.due_at)
        for row in connection.execute(oldest)
    ]


def try_again(connection: Connection, held: DueClaim, in_s: float) -> bool:
    """Release the claim; the next attempt is due in `in_s` seconds. False if the claim is lost."""
    values = {
        "claimer": None,
        "due_at": clock_of(connection) + in_s,
        "attempt": held.attempt + 1,
    }
    return connection.execute(table.update().where(held.holds).values(values)).rowcount == 1


def remove(connection: Connection, held: DueClaim) -> bool:
    """Remove work that is done or given up; False if the claim is lost."""
    return connection.execute(table.delete().where(held.holds)).rowcount == 1


def release(connection: Connection, node: str) -> None:
    """Make all rows that the node's last process had claimed due now."""
    mine = table.c.claimer == node
    values = {"claimer": None, "due_at": clock_of(connection)}
    connection.execute(table.update().where(mine).values(values))


def take(connection: Connection, node: str, dead: str, *, limit: int) -> int:
    """Transfer at most `limit` rows of a dead node to `node`; returns their number.

    Rows that had a claim become due now; the others keep their due time.
    """
    theirs = (table.c.node == dead) | (table.c.claimer == dead)
    some = sa.select(table.c.kind, table.c.ref).where(theirs).limit(limit)
    values = {
        "node": sa.case((table.c.node.is_(None), sa.null()), else_=node),
        "claimer": sa.null(),
        "due_at": sa.case(
            (table.c.claimer.is_not(None), clock_of(connection)), else_=table.c.due_at
        ),
    }
    taken = table.update().where(sa.tuple_(table.c.kind, table.c.ref).in_(some)).values(values)
    return connection.execute(taken).rowcount


def _row(kind: DueKind, ref: str) -> sa.ColumnElement[bool]:
    return (table.c.kind == kind) & (table.c.ref == ref)


def _other_rows(kind: DueKind, node: str, left_out: Collection[str]) -> sa.ColumnElement[bool]:
    """Condition: rows of the kind on which the node may act, without these refs."""
    rows = (table.c.kind == kind) & _open_to(node)
    return rows & table.c.ref.not_in(sorted(left_out)) if left_out else rows


def _open_to(node: str) -> sa.ColumnElement[bool]:
    return (table.c.node == node) | table.c.node.is_(None)
