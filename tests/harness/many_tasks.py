"""Very many finished tasks, made of one that a node has run."""

from collections.abc import Mapping

import sqlalchemy as sa

from slotgrid.records.tables import tasks

INSERTED_AT_ONCE = 5_000


def make_many(engine: sa.Engine, count: int, failed_each: int) -> None:
    """Put so many in the place of the one task that is there; of `failed_each` one has failed."""
    with engine.begin() as connection:
        like = dict(connection.execute(sa.select(tasks)).one()._mapping)
        connection.execute(tasks.delete())
    for first in range(0, count, INSERTED_AT_ONCE):
        numbers = range(first, min(count, first + INSERTED_AT_ONCE))
        with engine.begin() as connection:
            connection.execute(tasks.insert(), [_row(like, n, failed_each) for n in numbers])


def id_of(number: int) -> str:
    """The id of the task of that number; they are in order, and before any id of a real one."""
    return f"00000000-0000-7000-8000-{number:012d}"


def _row(like: Mapping[str, object], number: int, failed_each: int) -> dict[str, object]:
    failed = number % failed_each == 0
    task_id = id_of(number)
    return {
        **like,
        "id": task_id,
        "summary": str(like["summary"]).replace(str(like["id"]), task_id),
        "function": f"f{number % 10}",
        "status": "failed" if failed else "completed",
        "error": f"reason {number}" if failed else None,
        "delivery": "failed" if number % failed_each == 7 else like["delivery"],
    }
