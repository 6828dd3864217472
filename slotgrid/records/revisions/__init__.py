"""The revisions of the tables, which Alembic applies; each is a file in `versions`."""
