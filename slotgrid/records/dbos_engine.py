"""The one place that knows DBOS: workflows of ours, on our engine, in JSON, under our log."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
import structlog
from dbos import DBOS, Serializer, SetWorkflowID
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from slotgrid.core.errors import DatabaseUnavailable
from slotgrid.records.engines import DatabaseFault, end, reason, where

log = structlog.get_logger()

APPLICATION = "slotgrid"
APPLICATION_VERSION = "2"
"""The contract of what is stored. Constant, since DBOS takes up only work of its own version.

1 had a workflow for each task, from its acceptance on."""
EARLIER_VERSIONS = ["1"]
THREADS = 16
"""DBOS takes the loop's default executor for itself, without bound unless told one."""

LEAVE_S = 5.0
"""For workflows to end when they are cancelled, which takes them no time."""

OVERDUE_S = 1.0
"""Before what was due when DBOS gave up; it may give up again."""

FORSAKE_S = 5.0
"""For one batch of a dead node's workflows. DBOS tries again without a bound, and the heartbeat of
this node waits meanwhile: without one its peers would take it for dead after 10 s."""
BATCH = 1000

UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]

ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]

T = TypeVar("T")
AttemptPart = Callable[[str, int], Coroutine[Any, Any, dict[str, Any]]]
BrokenOff = Callable[[str, int, float | None], Coroutine[Any, Any, None]]


class JsonSerializer(Serializer):
    """JSON in the database instead of pickle: readable, and safe to read."""

    def serialize(self, data: Any) -> str:
        """JSON text."""
        return orjson.dumps(data, default=str).decode()

    def deserialize(self, serialized_data: str) -> Any:
        """What the text says."""
        return orjson.loads(serialized_data)

    def name(self) -> str:
        """Stored beside what is stored."""
        return "slotgrid_json"


class DurableEngine:
    """Makes attempts at later times, over restarts: one workflow for each delivery that failed.

    `attempt(task id, number)` returns `{again_in_s: n}`, or `{again_in_s: null}` when nothing more
    is to be tried. It is a step: what it returned once it returns again after a restart, without
    being run. `broken_off(task id, number)` is called when what follows that attempt could not be
    recorded.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        executor: str,
        attempt: AttemptPart,
        broken_off: BrokenOff,
    ) -> None:
        self._engine = engine
        self._executor = executor
        self._attempt = attempt
        self._broken_off = broken_off
        self._workflow: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fault: str | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Launch; unfinished workflows of this executor are taken up at once.

        Raises DatabaseFault.
        """
        dbos = DBOS(
            config={
                "name": APPLICATION,
                "system_database_engine": self._engine,
                "executor_id": self._executor,
                "application_version": APPLICATION_VERSION,
                "serializer": JsonSerializer(),
                "max_executor_threads": THREADS,
                "scheduler_polling_interval_sec": 1.0,
                # Nothing is notified here: this is how long the end waits for who listens.
                "notification_listener_polling_interval_sec": 0.1,
                "log_level": "WARNING",
            }
        )
        _log_with_ours()
        self._register()
        self._loop = loop = asyncio.get_running_loop()
        try:
            with _unsaid("DBOS failed to launch"):
                await loop.run_in_executor(None, DBOS.launch)
        except Exception as cause:  # of SQLAlchemy, of DBOS: all the same here
            await self._end(loop)
            raise DatabaseFault(
                f"the tables of DBOS in {where(self._engine)} cannot be used: {reason(cause)}"
            ) from cause
        try:
            # The record says what is to be delivered, so that new ones can be made of these.
            await _delete(
                await _ids(
                    status=UNFINISHED,
                    executor_id=self._executor,
                    app_version=EARLIER_VERSIONS,
                )
            )
            yield
        finally:
            with _unsaid("Asyncio task cancelled"):  # said of each step that is left at the end
                await _leave_workflows(dbos, loop)
                await self._end(loop)

    async def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        # DBOS made its executor the loop's default and is about to shut it down: whoever
        # still has work for one, now and until the process ends, needs another. What was given to
        # it until now has begun when this has, and only what has not is cancelled.
        begun = loop.run_in_executor(None, _nothing)
        loop.set_default_executor(ThreadPoolExecutor(THREADS))
        await asyncio.wait({begun}, timeout=LEAVE_S)
        with ThreadPoolExecutor(1, thread_name_prefix="dbos-end") as own:
            # What still runs stays PENDING, and is taken up by the next process.
            await loop.run_in_executor(own, _destroy)
            await loop.run_in_executor(own, end, self._engine)
        loop.set_default_executor(ThreadPoolExecutor(THREADS))

    async def unfinished(self) -> set[str]:
        """The ids of this executor's workflows that have not ended, those to be taken up too.

        Raises DatabaseUnavailable.
        """
        with self._translated():
            return set(
                await _ids(
                    status=UNFINISHED, executor_id=self._executor, app_version=APPLICATION_VERSION
                )
            )

    async def forget_ended(self, *, before: float, limit: int) -> None:
        """Remove workflows that ended before then (seconds since the epoch).

        Raises DatabaseUnavailable.
        """
        moment = datetime.fromtimestamp(before, UTC).isoformat()
        with self._translated():
            await _delete(await _ids(status=ENDED, completed_before=moment, limit=limit))

    async def forsake(self, executor: str) -> None:
        """Remove what a dead executor has not finished, so that its tasks can have new ones.

        Raises DatabaseUnavailable; what is removed by then stays so.
        """
        found = BATCH
        while found == BATCH:
            with self._translated():
                async with asyncio.timeout(FORSAKE_S):
                    ids = await _ids(status=UNFINISHED, executor_id=executor, limit=BATCH)
                    await _delete(ids)
            found = len(ids)

    async def start(self, workflow: str, task_id: str, number: int, again_in_s: float) -> None:
        """Go on after attempt `number`, in `again_in_s` seconds, as the workflow of that id.

        Raises DatabaseUnavailable.
        """
        with self._translated(), SetWorkflowID(workflow):
            await DBOS.start_workflow_async(self._workflow, task_id, number, again_in_s)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of DBOS become ours: all that it does is done in its database. Logged once for
        each change.
        """
        try:
            yield
        except (SQLAlchemyError, dbos_error.DBOSException, TimeoutError) as cause:
            why = "it takes too long" if isinstance(cause, TimeoutError) else reason(cause)
            if self._fault is None:
                log.warning("webhook.schedule_unavailable", reason=why)
            self._fault = why
            raise DatabaseUnavailable(
                "the schedule of webhooks cannot be used at the moment", retry_after_s=5
            ) from cause
        if self._fault is not None:
            self._fault = None
            log.info("webhook.schedule_available")

    def _register(self) -> None:
        # Registered here and not at import: its parts are wired later.
        async def deliver_later(task_id: str, number: int, again_in_s: float | None) -> None:
            async def attempt(following: int) -> dict[str, Any]:
                nonlocal number, again_in_s
                after = await self._on_our_loop(self._attempt(task_id, following))
                # Noted here, since it is made whether or not DBOS can record it.
                number, again_in_s = following, after["again_in_s"]
                return after

            try:
                while again_in_s is not None:
                    await DBOS.sleep_async(again_in_s)
                    following, again_in_s = number + 1, OVERDUE_S
                    after = await DBOS.run_step_async({"name": "attempt"}, attempt, following)
                    number, again_in_s = following, after["again_in_s"]
            except Exception as error:
                # Of DBOS, whatever it is: it tries again only for some faults of a database. A
                # statement that took too long, or a full disk, ends the workflow, and the delivery
                # would rest until the next start.
                log.warning("webhook.broken_off", task_id=task_id, number=number, error=str(error))
                await self._outside(self._broken_off(task_id, number, again_in_s))

        self._workflow = DBOS.workflow(name="deliver_later", max_recovery_attempts=1000)(
            deliver_later
        )

    async def _on_our_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """What it takes up at launch, DBOS runs on a loop of its own; our parts live on ours."""
        assert self._loop is not None
        if asyncio.get_running_loop() is self._loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _outside(self, work: Coroutine[Any, Any, T]) -> T:
        """On our loop and outside of the workflow, of which it would be a part: what DBOS knows of
        who calls it goes with the context.
        """
        assert self._loop is not None
        asked = Context().run(asyncio.run_coroutine_threadsafe, work, self._loop)
        return await asyncio.wrap_future(asked)


@contextmanager
def _unsaid(beginning: str) -> Iterator[None]:
    """DBOS logs nothing that begins so, as it is no news or is told elsewhere."""
    theirs = logging.getLogger("dbos")

    def told(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(beginning)

    theirs.addFilter(told)
    try:
        yield
    finally:
        theirs.removeFilter(told)


async def _ids(**wanted: Any) -> list[str]:
    found = await DBOS.list_workflows_async(load_input=False, load_output=False, **wanted)
    return [workflow.workflow_id for workflow in found]


async def _delete(workflows: list[str]) -> None:
    if workflows:
        await DBOS.delete_workflows_async(workflows)


async def _leave_workflows(dbos: DBOS, loop: asyncio.AbstractEventLoop) -> None:
    """Leave those that run on our loop where they are: nothing of it is recorded.

    Those on its own loop DBOS leaves by itself. These would go on during its end, and make its
    executor the loop's default again.
    """
    left = {task for task in list(dbos._workflow_tasks) if task.get_loop() is loop}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=LEAVE_S)


def _log_with_ours() -> None:
    """DBOS writes to standard error by itself, in a form of its own."""
    theirs = logging.getLogger("dbos")
    for handler in list(theirs.handlers):
        theirs.removeHandler(handler)
    theirs.propagate = True


def _nothing() -> None:
    """For a thread to be asked to."""


def _destroy() -> None:
    DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=0)
