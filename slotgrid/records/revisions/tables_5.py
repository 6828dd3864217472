"""The tables that revision 5 adds, for its migration. Never change them, as databases have them.

`slotgrid.records.tables` has the current tables; a test compares both while 5 is the latest.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

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
