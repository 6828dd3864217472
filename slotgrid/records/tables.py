"""The tables: task records, events, log lines, flows, schedules, due work, and live nodes."""

from typing import Any

import sqlalchemy as sa

SCHEMA_VERSION = 5
"""Version of these tables; the start of a node migrates older ones."""

metadata = sa.MetaData()

meta = sa.Table(
    "slotgrid_meta",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# `summary` and `detail` are the API's JSON; the API filters and sorts by the other columns. Times
# are seconds since the epoch.
tasks = sa.Table(
    "slotgrid_tasks",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("function", sa.Text, nullable=False),
    sa.Column("group_name", sa.Text, nullable=False),
    sa.Column("contract", sa.Integer, nullable=False),
    sa.Column("worker", sa.Text),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("finished_at", sa.Float),
    sa.Column("not_before", sa.Float),
    sa.Column("expires_at", sa.Float),
    sa.Column("wait_until", sa.Float),
    # `slotgrid.core.priority_queue.queue_key`, in seconds since the epoch.
    sa.Column("queue_key", sa.Float, nullable=False),
    # Tasks that can use the same slots; see `slotgrid.core.priority_queue.TaskClass`.
    sa.Column("class_key", sa.Text, nullable=False),
    sa.Column("starts", sa.Integer, nullable=False, default=0),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("body_hash", sa.String(64)),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("error", sa.Text),
    # Set by a node that cancels a task which another node runs; the other node polls for it.
    sa.Column("cancel_reason", sa.Text),
    sa.Column("delivery", sa.String(16)),
    sa.Column("deliveries", sa.Text, nullable=False, default="[]"),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    # Approximate size of a finished task in bytes: its record, events and files.
    sa.Column("size", sa.BigInteger, nullable=False, default=0),
    # Of a step's task: the task of its flow, the step's name, and the step's own retry as JSON.
    sa.Column("parent", sa.String(36)),
    sa.Column("step", sa.Text),
    sa.Column("retry", sa.Text),
)
# Conditions of the partial indexes below, repeated in each query that uses one. Literals instead of
# parameters, so that the database can prove that the index has all rows of the query.
is_queued = tasks.c.status == sa.literal_column("'queued'")
has_ended = tasks.c.finished_at.is_not(None)
is_child = tasks.c.parent.is_not(None)


def _index(name: str, *columns: sa.Column[Any], where: sa.ColumnElement[bool]) -> None:
    """Add a partial index: writes of other rows do not touch it."""
    sa.Index(f"slotgrid_tasks_{name}", *columns, sqlite_where=where, postgresql_where=where)


_index("queue", tasks.c.node, tasks.c.class_key, tasks.c.queue_key, tasks.c.id, where=is_queued)
_index("wait", tasks.c.node, tasks.c.wait_until, where=is_queued & tasks.c.wait_until.is_not(None))
_index(
    "expiry", tasks.c.node, tasks.c.expires_at, where=is_queued & tasks.c.expires_at.is_not(None)
)
_index(
    "cancel",
    tasks.c.node,
    where=tasks.c.cancel_reason.is_not(None) & tasks.c.finished_at.is_(None),
)
_index("delivery", tasks.c.delivery, tasks.c.id, where=tasks.c.delivery.is_not(None))
_index("parent", tasks.c.parent, tasks.c.id, where=is_child)
_index("child", tasks.c.node, tasks.c.id, where=is_child & tasks.c.finished_at.is_(None))
_index("finished", tasks.c.finished_at, tasks.c.size, where=has_ended)
sa.Index(
    "slotgrid_tasks_key",
    tasks.c.owner,
    tasks.c.idempotency_key,
    unique=True,
    sqlite_where=tasks.c.idempotency_key.is_not(None),
    postgresql_where=tasks.c.idempotency_key.is_not(None),
)
# Indexes for lists, newest first.
sa.Index("slotgrid_tasks_status", tasks.c.status, tasks.c.id)
sa.Index("slotgrid_tasks_function", tasks.c.function, tasks.c.id)
sa.Index("slotgrid_tasks_owner", tasks.c.owner, tasks.c.id)

events = sa.Table(
    "slotgrid_events",
    metadata,
    sa.Column("task_id", sa.String(36), primary_key=True),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)

# Log lines that a task and its node wrote; `number` as in `Task.logs`.
log_lines = sa.Table(
    "slotgrid_log_lines",
    metadata,
    sa.Column("task_id", sa.String(36), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)

# A flow that has started, as it was then: `definition` is the text of its file, `contract` the one
# in which its steps run. `depth` counts the flows around it. `after` is the submission, as JSON,
# of what follows its end, until it is started.
flows = sa.Table(
    "slotgrid_flows",
    metadata,
    sa.Column("task_id", sa.String(36), primary_key=True),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("contract", sa.Integer),
    sa.Column("depth", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("after", sa.Text),
)
sa.Index(
    "slotgrid_flows_after",
    flows.c.task_id,
    sqlite_where=flows.c.after.is_not(None),
    postgresql_where=flows.c.after.is_not(None),
)

# The steps of flows. A step of the file has `item` -1, its instances by `for_each` have the item's
# index and the name of the step. `needs` is a JSON list of names; `passed_over`: its `when` did not
# hold. Of a step with `for_each`: `listed` is the list as JSON, `total` its length, `made` how many
# instances have a task, `ended` how many have ended, `failed` how many of them without a result.
flow_steps = sa.Table(
    "slotgrid_flow_steps",
    metadata,
    sa.Column("task_id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("function", sa.Text, nullable=False),
    sa.Column("needs", sa.Text, nullable=False),
    sa.Column("continue_on_error", sa.Boolean, nullable=False),
    sa.Column("sequential", sa.Boolean, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("passed_over", sa.Boolean, nullable=False),
    # The step's task, which may be of an earlier flow whose outputs a retry takes over.
    sa.Column("child", sa.String(36)),
    sa.Column("listed", sa.Text),
    sa.Column("total", sa.Integer),
    sa.Column("made", sa.Integer, nullable=False),
    sa.Column("ended", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Float),
    sa.Column("ended_at", sa.Float),
    # What `GET /tasks/{id}` shows, as JSON: the worker, the input, the error as a problem.
    sa.Column("worker", sa.Text),
    sa.Column("input", sa.Text),
    sa.Column("output", sa.Text),
    sa.Column("error", sa.Text),
)

schedules = sa.Table(
    "slotgrid_schedules",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    # `api` or `file`
    sa.Column("origin", sa.String(8), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("changed_at", sa.Float, nullable=False),
)

# The firings of schedules: the task that each started, or the reason why it started none.
schedule_runs = sa.Table(
    "slotgrid_schedule_runs",
    metadata,
    sa.Column("schedule", sa.String(200), primary_key=True),
    sa.Column("due_at", sa.Float, primary_key=True),
    sa.Column("fired_at", sa.Float, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("task_id", sa.String(36)),
    sa.Column("reason", sa.Text),
)

nodes = sa.Table(
    "slotgrid_nodes",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("boot", sa.Text, nullable=False),
    sa.Column("group_name", sa.Text, nullable=False),
    sa.Column("contract", sa.Integer, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
)

# Due work, such as the next attempt at a webhook. `ref` is its subject: the task's id of a webhook.
# `node` is the only node that may act; null means any. A claim sets `claimer` and moves `due_at` to
# the claim's end, so that the work is repeated if the claimer dies.
# `due_at` is in seconds since the epoch, by the database's clock.
due = sa.Table(
    "slotgrid_due",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("ref", sa.Text, primary_key=True),
    sa.Column("node", sa.Text),
    sa.Column("claimer", sa.Text),
    sa.Column("due_at", sa.Float, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=1),
)
sa.Index("slotgrid_due_next", due.c.kind, due.c.due_at)
sa.Index("slotgrid_due_node", due.c.node)
