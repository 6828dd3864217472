"""Records state changes of tasks in history, metrics, log and the task's own log."""

import structlog
from structlog.contextvars import bind_contextvars

from slotgrid.core.errors import QueueFull, ServiceError
from slotgrid.core.observer import Observer
from slotgrid.core.task import Task
from slotgrid.core.task_states import FAILED
from slotgrid.records.history import History
from slotgrid.runtime.metrics import Metrics


class TaskTelemetry(Observer):
    """Records every state change.

    The supervisor calls it from the task's own asyncio task, so every log line of the running
    task, also of its function, has the fields that are bound here.
    """

    def __init__(self, history: History, metrics: Metrics) -> None:
        self._history = history
        # Bound once: a module's lazy logger is bound again for each call, also below the log level.
        self._log = structlog.get_logger().bind()
        self._metrics = metrics

    def accepted(self, task: Task) -> None:
        """Add the accepted task to the history."""
        self._history.add(task)

    def started(self, task: Task) -> None:
        """Bind the log fields of a task that starts."""
        attempt = task.attempts[-1]
        bind_contextvars(
            task_id=task.id, function=task.spec.name, slot=attempt.slot, worker=attempt.worker
        )
        self._log.debug("task.started", attempt=attempt.number)

    def will_retry(self, task: Task, error: ServiceError, delay_s: float) -> None:
        """Log that an attempt failed and another follows."""
        task.log(f"attempt failed: {error.detail}; trying again in {delay_s:.1f} s")
        self._log.warning(
            "task.will_retry", error=error.detail, problem=error.name, delay_s=delay_s
        )

    def finished(self, task: Task) -> None:
        """Record the task's end."""
        self._history.end(task)
        started = bool(task.attempts)
        self._metrics.task_finished(
            function=task.spec.name,
            mode=task.submission.mode,
            outcome=task.state,
            wait_s=task.queued_s if started else None,
            run_s=task.run_s if started else None,
        )
        error = task.error
        if error is None:
            self._log.info("task.completed", queued_ms=task.queued_ms, run_ms=task.run_ms)
            return
        facts: dict[str, object] = {"error": error.detail, "problem": error.name}
        if not started:  # no log fields are bound
            facts |= {"task_id": task.id, "function": task.spec.name}
        write = self._log.warning if task.state is FAILED else self._log.info
        if isinstance(error, QueueFull):
            self._metrics.refused(error.name)
            write = self._log.debug  # a full queue refuses many tasks: do not flood the log
        write(f"task.{task.state}", queued_ms=task.queued_ms, run_ms=task.run_ms, **facts)

    def defect(self, task: Task, error: Exception) -> None:
        """Log a defect of Slotgrid."""
        self._log.error("task.defect", exc_info=error, task_id=task.id)
