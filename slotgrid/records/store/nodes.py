"""The nodes that share the database: heartbeats, claims and takeovers.

All times are by the database's clock, so that a node's wrong clock does no harm.
"""

from dataclasses import dataclass
from uuid import uuid4

import sqlalchemy as sa

from slotgrid.core.task_states import TaskState
from slotgrid.records.store import due
from slotgrid.records.store.clock import clock_of
from slotgrid.records.store.rows import LIVE, Connection, Row
from slotgrid.records.tables import nodes as table
from slotgrid.records.tables import tasks

DEAD_S = 10.0
"""Age of the last heartbeat, by the database's clock, above which a node is dead."""
LEFT = 0.0
"""Time of the last heartbeat that a node writes when it ends by itself."""
CLAIM = "taken by "


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity of a node; `boot` distinguishes its processes."""

    name: str
    group: str
    contract: int
    boot: str

    @classmethod
    def of_this_process(cls, name: str, *, group: str, contract: int) -> "Identity":
        """An identity with a new `boot`."""
        return cls(name, group, contract, uuid4().hex)


@dataclass(frozen=True, slots=True)
class Seen:
    """The last heartbeat of a node: its process, its time and its age."""

    boot: str
    at: float
    age_s: float


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch of tasks that was taken over: their number, and the records of running ones."""

    tasks: int
    running: list[Row]


def is_alive(connection: Connection, name: str) -> bool:
    """Whether the node of that name has a recent heartbeat and is not claimed."""
    found = seen(connection, name)
    return found is not None and found.age_s <= DEAD_S and not found.boot.startswith(CLAIM)


def seen(connection: Connection, name: str) -> Seen | None:
    """The last heartbeat of the node; None if it has no row."""
    query = sa.select(table.c.boot, table.c.seen_at).where(table.c.name == name)
    row = connection.execute(query).first()
    if row is None:
        return None
    return Seen(row.boot, row.seen_at, clock_of(connection) - row.seen_at)


def enter(connection: Connection, me: Identity) -> None:
    """Add this node's row; replaces any row of the same name."""
    connection.execute(table.delete().where(table.c.name == me.name))
    connection.execute(
        table.insert().values(
            name=me.name,
            boot=me.boot,
            group_name=me.group,
            contract=me.contract,
            seen_at=clock_of(connection),
        )
    )


def beat(connection: Connection, me: Identity, at: float | None) -> bool:
    """Write a heartbeat, at the time `at` or now; False if the row is no longer ours."""
    mine = (table.c.name == me.name) & (table.c.boot == me.boot)
    seen_at = clock_of(connection) if at is None else at
    return connection.execute(table.update().where(mine).values(seen_at=seen_at)).rowcount == 1


def dead(connection: Connection, me: Identity, heard_s: float) -> list[str]:
    """Peers that are dead or have left.

    Silent peers count as dead only if our own heartbeats succeeded for DEAD_S (`heard_s`): after an
    outage of the database, every node looks dead.
    """
    silent = table.c.seen_at < clock_of(connection) - DEAD_S
    gone = silent if heard_s >= DEAD_S else table.c.seen_at == LEFT
    query = sa.select(table.c.name).where(
        gone
        & (table.c.name != me.name)
        & (table.c.group_name == me.group)
        & (table.c.contract == me.contract)
    )
    return [row.name for row in connection.execute(query)]


def claim(connection: Connection, me: Identity, name: str) -> float | None:
    """Claim a dead node; None if another peer was faster or the node is back.

    Returns the age of its last heartbeat in seconds; 0 if the node left by itself.
    """
    before = seen(connection, name)
    now = clock_of(connection)
    still = (table.c.name == name) & (table.c.seen_at < now - DEAD_S)
    values = {"boot": f"{CLAIM}{me.name}", "seen_at": now}
    claimed = connection.execute(table.update().where(still).values(**values)).rowcount == 1
    if before is None or not claimed:
        return None
    return 0.0 if before.at == LEFT else before.age_s


def take_tasks(connection: Connection, me: Identity, name: str, *, limit: int) -> Taken | None:
    """Take over at most `limit` live or undelivered tasks; None if the claim is lost.

    Each batch renews the claim and our own heartbeat, so that a long takeover is not silence.
    """
    if not _renew(connection, me, name):
        return None
    theirs = (tasks.c.node == name) & (tasks.c.status.in_(LIVE) | (tasks.c.delivery == "pending"))
    some = sa.select(tasks.c.id).where(theirs).limit(limit)
    ids = list(connection.execute(some).scalars())
    if not ids:
        return Taken(0, [])
    moved = theirs & tasks.c.id.in_(ids)
    ran = sa.select(tasks).where(moved & (tasks.c.status == TaskState.RUNNING))
    running = list(connection.execute(ran))
    connection.execute(tasks.update().where(moved).values(node=me.name))
    return Taken(len(ids), running)


def take_due(connection: Connection, me: Identity, name: str, *, limit: int) -> int | None:
    """Take over at most `limit` due rows of a claimed node; None if the claim is lost."""
    if not _renew(connection, me, name):
        return None
    return due.take(connection, me.name, name, limit=limit)


def forget(connection: Connection, me: Identity, name: str) -> bool:
    """Remove a claimed node after its takeover; False if the claim is lost."""
    return connection.execute(table.delete().where(_claimed(me, name))).rowcount == 1


def _renew(connection: Connection, me: Identity, name: str) -> bool:
    """Renew claim and heartbeat; locks the row until the commit, so that `enter` waits."""
    now = clock_of(connection)
    renewed = table.update().where(_claimed(me, name)).values(seen_at=now)
    if connection.execute(renewed).rowcount != 1:
        return False
    beat(connection, me, now)
    return True


def _claimed(me: Identity, name: str) -> sa.ColumnElement[bool]:
    return (table.c.name == name) & (table.c.boot == f"{CLAIM}{me.name}")
