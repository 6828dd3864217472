"""Alembic runs this module for each command: it applies revisions on `migrate`'s connection.

The caller owns the transaction and the lock.
"""

import logging

from alembic import context

VERSION_TABLE = "slotgrid_alembic_version"
"""A name of our own, as the database may contain tables of other programs, too."""

# Alembic logs three lines for each migration; `migrate` logs the one that matters.
logging.getLogger("alembic").setLevel(logging.WARNING)
context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
