"""The database's clock, which all nodes of a database share."""

import sqlalchemy as sa


def clock_of(connection: sa.Connection) -> float:
    """The time by the database's clock, in seconds since the epoch."""
    text = (
        "SELECT (julianday('now') - 2440587.5) * 86400.0"
        if connection.dialect.name == "sqlite"
        else "SELECT extract(epoch FROM clock_timestamp())"
    )
    return float(connection.execute(sa.text(text)).scalar_one())
