"""The one place that knows DBOS: workflows of ours, on our engine, in JSON, under our log."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from dbos import DBOS, Serializer, SetWorkflowID

from slotgrid.records.engines import end

APPLICATION = "slotgrid"
APPLICATION_VERSION = "1"
"""The contract of what is stored. Constant, since DBOS takes up only work of its own version."""
THREADS = 16
"""DBOS takes the loop's default executor for itself, without bound unless told one."""

LEAVE_S = 5.0
"""For workflows to end when they are cancelled, which takes them no time."""

UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]

T = TypeVar("T")
RunPart = Callable[[str], Coroutine[Any, Any, str]]
AttemptPart = Callable[[str, int], Coroutine[Any, Any, dict[str, Any]]]


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
    """Runs one workflow for each durable task: `run`, then `attempt` until it is delivered.

    `run` returns the task's state; `attempt(task id, number)` returns `{again_in_s: n}` or
    `{again_in_s: null}` when the delivery has ended. Each is a step: what it returned once it
    returns again after a restart, without being run.
    """

    def __init__(
        self, engine: sa.Engine, *, executor: str, run: RunPart, attempt: AttemptPart
    ) -> None:
        self._engine = engine
        self._executor = executor
        self._run = run
        self._attempt = attempt
        self._workflow: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Launch; unfinished workflows of this executor are taken up at once."""
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
        await loop.run_in_executor(None, DBOS.launch)
        quiet = _QuietEnd()
        try:
            yield
        finally:
            logging.getLogger("dbos").addFilter(quiet)
            await _leave_workflows(dbos, loop)
            # DBOS made its executor the loop's default and is about to shut it down: whoever
            # still has work for one, now and until the process ends, needs another.
            loop.set_default_executor(ThreadPoolExecutor(THREADS))
            with ThreadPoolExecutor(1, thread_name_prefix="dbos-end") as own:
                # What still runs stays PENDING, and is taken up by the next process.
                await loop.run_in_executor(own, _destroy)
                await loop.run_in_executor(own, end, self._engine)
            loop.set_default_executor(ThreadPoolExecutor(THREADS))
            logging.getLogger("dbos").removeFilter(quiet)

    async def unfinished(self) -> set[str]:
        """The ids of this executor's workflows that have not ended, those to be taken up too."""
        found = await DBOS.list_workflows_async(
            status=UNFINISHED,
            executor_id=self._executor,
            load_input=False,
            load_output=False,
        )
        return {workflow.workflow_id for workflow in found}

    async def forget_ended(self, *, before: float, limit: int) -> int:
        """Remove workflows that ended before then (seconds since the epoch); returns how many."""
        ended = await DBOS.list_workflows_async(
            completed_before=datetime.fromtimestamp(before, UTC).isoformat(),
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            limit=limit,
            load_input=False,
            load_output=False,
        )
        if ended:
            await DBOS.delete_workflows_async([workflow.workflow_id for workflow in ended])
        return len(ended)

    async def forsake(self, executor: str) -> None:
        """Remove what a dead executor has not finished, so that its tasks can have new ones."""
        left = await DBOS.list_workflows_async(
            status=UNFINISHED, executor_id=executor, load_input=False, load_output=False
        )
        if left:
            await DBOS.delete_workflows_async([workflow.workflow_id for workflow in left])

    async def start(self, workflow: str, task_id: str, *, deliver_only: bool = False) -> None:
        """Start the workflow of that id, unless there is one already."""
        with SetWorkflowID(workflow):
            await DBOS.start_workflow_async(self._workflow, task_id, deliver_only)

    def _register(self) -> None:
        # Registered here and not at import: the steps are methods of parts that are wired later.
        async def run_here(task_id: str) -> str:
            return await self._on_our_loop(self._run(task_id))

        async def attempt_here(task_id: str, number: int) -> dict[str, Any]:
            return await self._on_our_loop(self._attempt(task_id, number))

        run = DBOS.step(name="run")(run_here)
        attempt = DBOS.step(name="attempt")(attempt_here)

        async def durable_task(task_id: str, deliver_only: bool) -> str:
            state = "deliver" if deliver_only else await run(task_id)
            number = 0
            while True:
                number += 1
                after = await attempt(task_id, number)
                if after["again_in_s"] is None:
                    return state
                await DBOS.sleep_async(after["again_in_s"])

        self._workflow = DBOS.workflow(name="durable_task", max_recovery_attempts=1000)(
            durable_task
        )

    async def _on_our_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """What it takes up at launch, DBOS runs on a loop of its own; our parts live on ours."""
        assert self._loop is not None
        if asyncio.get_running_loop() is self._loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


class _QuietEnd(logging.Filter):
    """Of each step that is left at the end, DBOS says that it was cancelled."""

    def filter(self, record: logging.LogRecord) -> bool:
        """All but that."""
        return not record.getMessage().startswith("Asyncio task cancelled")


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


def _destroy() -> None:
    DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=0)
