"""What Alembic runs for each command: the revisions, on the connection of `migrate`.

The transaction and the lock are the caller's.
"""

import logging

from alembic import context

VERSION_TABLE = "slotgrid_alembic_version"
"""A name of our own: the database may hold the tables of other programs, too."""

# Alembic logs three lines for each migration; `migrate` logs the one that matters.
logging.getLogger("alembic").setLevel(logging.WARNING)
context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
