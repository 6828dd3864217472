"""Writes down the turns in a task's life: history, metrics, log, and the task's own log."""

import structlog

from slotgrid.core.errors import QueueFull, ServiceError
from slotgrid.core.lease import Lease
from slotgrid.core.observer import Observer
from slotgrid.core.states import FAILED
from slotgrid.core.task import Task
from slotgrid.records.history import History
from slotgrid.runtime.logs import bind_fields
from slotgrid.runtime.metrics import Metrics


class Journal(Observer):
    """Writes every turn down.

    The supervisor calls it from the task's own asyncio task, so what is bound here stands on
    every line that is logged while the task runs, its function's included.
    """

    def __init__(self, history: History, metrics: Metrics) -> None:
        self._history = history
        # Bound once: the lazy logger of a module is set up anew at each line.
        self._log = structlog.get_logger().bind()
        self._metrics = metrics

    def accepted(self, task: Task) -> None:
        """The task is ours."""
        self._history.add(task)

    def leased(self, task: Task, lease: Lease) -> None:
        """The task has a slot and starts."""
        slot = lease.slot
        bind_fields(task_id=task.id, function=task.spec.name, slot=slot.number, worker=slot.worker)
        self._log.debug("task.started", attempt=task.attempts[-1].number)

    def will_retry(self, task: Task, error: ServiceError, delay_s: float) -> None:
        """An attempt failed, another follows."""
        task.log(f"attempt failed: {error.detail}; trying again in {delay_s:.1f} s")
        self._log.warning(
            "task.will_retry", error=error.detail, problem=error.name, delay_s=delay_s
        )

    def finished(self, task: Task) -> None:
        """The task has reached its end."""
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
        if not started:  # nothing is bound yet
            facts |= {"task_id": task.id, "function": task.spec.name}
        write = self._log.warning if task.state is FAILED else self._log.info
        if isinstance(error, QueueFull):
            self._metrics.refused(error.name)
            write = self._log.debug  # at a full queue, a line a refusal would be a flood of its own
        write(f"task.{task.state}", queued_ms=task.queued_ms, run_ms=task.run_ms, **facts)

    def defect(self, task: Task, error: Exception) -> None:
        """Something of ours broke."""
        self._log.error("task.defect", exc_info=error, task_id=task.id)
