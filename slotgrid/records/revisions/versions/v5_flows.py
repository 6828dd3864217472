"""Flows, whose steps are tasks of their own, and schedules."""

import sqlalchemy as sa
from alembic import op

from slotgrid.records.revisions.tables_5 import metadata

revision = "5"
down_revision = "4"

TASKS = "slotgrid_tasks"


def upgrade() -> None:
    """Upgrade tables of revision 4."""
    connection = op.get_bind()
    op.add_column(TASKS, sa.Column("parent", sa.String(36)))
    op.add_column(TASKS, sa.Column("step", sa.Text))
    op.add_column(TASKS, sa.Column("retry", sa.Text))
    _index("parent", "parent", "id", where="parent IS NOT NULL")
    _index("child", "node", "id", where="parent IS NOT NULL AND finished_at IS NULL")
    metadata.create_all(connection)
    connection.execute(
        sa.text("UPDATE slotgrid_meta SET value = :value WHERE name = 'schema'"),
        {"value": revision},
    )


def _index(name: str, *columns: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(
        f"{TASKS}_{name}",
        TASKS,
        list(columns),
        sqlite_where=condition,
        postgresql_where=condition,
    )
