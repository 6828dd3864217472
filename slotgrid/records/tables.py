"""The tables that stand beside DBOS's own: task records, their events, and the nodes that live."""

import sqlalchemy as sa

SCHEMA_VERSION = 1
"""Of these tables; a database of an earlier one is brought up at start."""

metadata = sa.MetaData()

meta = sa.Table(
    "slotgrid_meta",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# `summary` and `detail` are what the API shows, as JSON; the other columns are what it filters
# and orders by. Times are seconds since the epoch.
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
    # The queue's key: arrival + (priority - 1) * ageing, in seconds since the epoch.
    sa.Column("queue_key", sa.Float, nullable=False),
    # Tasks that can use the same slots; see `slotgrid.core.queue.TaskClass`.
    sa.Column("class_key", sa.Text, nullable=False),
    sa.Column("starts", sa.Integer, nullable=False, default=0),
    sa.Column("restores", sa.Integer, nullable=False, default=0),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("body_hash", sa.String(64)),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("delivery", sa.String(16)),
    sa.Column("deliveries", sa.Text, nullable=False, default="[]"),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.UniqueConstraint("owner", "idempotency_key", name="slotgrid_tasks_idempotency"),
)
sa.Index("slotgrid_tasks_queue", tasks.c.node, tasks.c.status, tasks.c.class_key, tasks.c.queue_key)
sa.Index("slotgrid_tasks_status", tasks.c.status, tasks.c.id)
sa.Index("slotgrid_tasks_function", tasks.c.function, tasks.c.id)
sa.Index("slotgrid_tasks_owner", tasks.c.owner, tasks.c.id)
sa.Index("slotgrid_tasks_delivery", tasks.c.delivery, tasks.c.id)
sa.Index("slotgrid_tasks_finished", tasks.c.finished_at)

events = sa.Table(
    "slotgrid_events",
    metadata,
    sa.Column("task_id", sa.String(36), primary_key=True),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
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
