"""Restores tasks from records, and encodes a task's class as text."""

from collections import Counter
from collections.abc import Mapping

import msgspec
import orjson

from slotgrid.core.admission import Admission
from slotgrid.core.fields import ANYWHERE, Place
from slotgrid.core.lease import class_of
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.core.task_retry import StepRetry
from slotgrid.durable.waiting_count import Waiting
from slotgrid.records.store.rows import Row
from slotgrid.records.store.task_events import events_before


def restored(row: Row, admission: Admission) -> Task:
    """The task of a record, with the current version of its function.

    Raises UnknownFunction, InvalidInput or InvalidSubmission when it can no longer run.
    """
    submission = Submission.parse(orjson.loads(row.body), size=len(row.body))
    source = Source(row.source, row.source_id)
    task = admission.readmit(submission, owner=row.owner, source=source, id=row.id)
    task.has_share = admission.has_share(row.owner)
    task.parent, task.step, task.retry = row.parent, row.step, step_retry_of(row)
    task.restore(
        created_at=row.created_at,
        starts=row.starts,
        first_event=events_before(row.starts),
    )
    return task


def step_retry_of(row: Row) -> StepRetry | None:
    """The retry of the step whose task the record is of; None if it has none."""
    return None if row.retry is None else msgspec.json.decode(row.retry, type=StepRetry)


def class_key_of(task: Task) -> str:
    """The class that the task waits in (`slotgrid.core.priority_queue.TaskClass`) as text.

    A function that needs no slot is a class by itself, which has no pool: its tasks neither wait
    behind tasks that need slots nor take their room in the prefetch buffer.
    """
    spec = task.spec
    if not spec.needs_slot:
        return orjson.dumps([spec.group, spec.contract, None, None, spec.name]).decode()
    cls = class_of(task)
    place: list[object] = [cls.place.worker, cls.place.pool, *map(list, cls.place.labels)]
    if cls.slot is not None:
        place.append(cls.slot)
    written = [cls.group, cls.contract, cls.pool, place, cls.gate]
    if cls.owner is not None:  # absent without one, as in the records of earlier versions
        written.append(cls.owner)
    return orjson.dumps(written).decode()


def slot_of(class_key: str) -> Place:
    """The slot that the tasks of the class wait for, as a place; ANYWHERE if they name none."""
    place = orjson.loads(class_key)[3]
    if place and isinstance(place[-1], int):
        return Place(worker=place[0], pool=place[1], slot=place[-1])
    return ANYWHERE


def by_slot(classes: Mapping[str, int]) -> Waiting:
    """Numbers of tasks by class, added up by slot."""
    waiting: Waiting = Counter()
    for class_key, count in classes.items():
        waiting[slot_of(class_key)] += count
    return waiting
