"""One module for each revision. Alembic finds them by this folder."""
