"""The nodes that share the database: heartbeats, and whose tasks become whose.

All times are those of the database's clock, so that no node's own can be wrong.
"""

from dataclasses import dataclass
from uuid import uuid4

import sqlalchemy as sa

from slotgrid.core.states import TaskState
from slotgrid.records.store import due
from slotgrid.records.store.clock import clock_of
from slotgrid.records.store.rows import LIVE, Connection, Row
from slotgrid.records.tables import nodes as table
from slotgrid.records.tables import tasks

DEAD_S = 10.0
"""A node that has not been heard of for so long, by the database's clock, is dead."""
LEFT = 0.0
"""Stands for the time of the last heartbeat of a node that ended by itself."""
CLAIM = "taken by "


@dataclass(frozen=True, slots=True)
class Identity:
    """What a node is known by; `boot` tells its processes apart."""

    name: str
    group: str
    contract: int
    boot: str

    @classmethod
    def of_this_process(cls, name: str, *, group: str, contract: int) -> "Identity":
        """A new one."""
        return cls(name, group, contract, uuid4().hex)


@dataclass(frozen=True, slots=True)
class Seen:
    """A heartbeat: whose, at what time, and how long ago."""

    boot: str
    at: float
    age_s: float


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch of tasks that changed hands: how many, and the records of those that ran."""

    tasks: int
    running: list[Row]


def is_alive(connection: Connection, name: str) -> bool:
    """Whether a node of that name has been heard of lately."""
    found = seen(connection, name)
    return found is not None and found.age_s <= DEAD_S and not found.boot.startswith(CLAIM)


def seen(connection: Connection, name: str) -> Seen | None:
    """When the node was heard of last; None when it is not known."""
    query = sa.select(table.c.boot, table.c.seen_at).where(table.c.name == name)
    row = connection.execute(query).first()
    if row is None:
        return None
    return Seen(row.boot, row.seen_at, clock_of(connection) - row.seen_at)


def enter(connection: Connection, me: Identity) -> None:
    """Be known, in the place of whoever had the name."""
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
    """Be heard; False when the row is no longer ours."""
    mine = (table.c.name == me.name) & (table.c.boot == me.boot)
    seen_at = clock_of(connection) if at is None else at
    return connection.execute(table.update().where(mine).values(seen_at=seen_at)).rowcount == 1


def dead(connection: Connection, me: Identity, heard_s: float) -> list[str]:
    """Peers of ours that are dead or have left.

    Only who has been heard for as long itself may call another one silent: after an outage of the
    database every node looks dead.
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
    """Take the dead node's place; None when another peer was faster, or it is back.

    Returns for how many seconds it had not been heard of; 0 for one that left by itself.
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
    """Make at most `limit` unfinished tasks of a claimed node ours; None when the claim is lost.

    Each batch renews the claim, and our own heartbeat: a long takeover is no silence.
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
    """Make at most `limit` due rows of a claimed node ours; None when the claim is lost."""
    if not _renew(connection, me, name):
        return None
    return due.take(connection, me.name, name, limit=limit)


def forget(connection: Connection, me: Identity, name: str) -> bool:
    """Remove a claimed node, of which nothing is left; False when the claim is lost."""
    return connection.execute(table.delete().where(_claimed(me, name))).rowcount == 1


def _renew(connection: Connection, me: Identity, name: str) -> bool:
    """Renew claim and heartbeat; the row is locked until the commit, so `enter` waits for it."""
    now = clock_of(connection)
    renewed = table.update().where(_claimed(me, name)).values(seen_at=now)
    if connection.execute(renewed).rowcount != 1:
        return False
    beat(connection, me, now)
    return True


def _claimed(me: Identity, name: str) -> sa.ColumnElement[bool]:
    return (table.c.name == name) & (table.c.boot == f"{CLAIM}{me.name}")
