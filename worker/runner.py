"""Runs a task on this machine: one attempt, one lease, one deadline."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from slotgrid.core.admission import checked_input
from slotgrid.core.await_completion import await_completion
from slotgrid.core.deadlines import Deadline
from slotgrid.core.errors import FunctionFailed, ServiceError
from slotgrid.core.lease import STARTED, Lease
from slotgrid.core.runner import AttemptFailed
from slotgrid.core.slots import Slot
from slotgrid.core.spec import unknown_function
from slotgrid.core.task import MAIN_STEP, Task
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.task_output import OUTPUT
from worker import failures
from worker.attempt import End, Parts, RunningAttempt
from worker.attempt_secrets import AttemptSecrets
from worker.browser.browser_context import TaskContext
from worker.browser.browser_states import FreedBy, Loss
from worker.context import RunContext, checked_output
from worker.task_output import StepOutput

log = structlog.get_logger()

CANCEL_GRACE_S = 1.0
"""The time that a cancelled function has for its own cleanup."""
LOSS_NOTICE_S = 1.0
"""How long a lost browser may take to be detected after a call failed because of it."""


class LocalRunner:
    """Fulfils `slotgrid.core.runner.SlotRunner` with functions of the registry."""

    def __init__(self, parts: Parts, redactor: Redactor) -> None:
        self._parts = parts
        self._redactor = redactor
        self._attempts: dict[Lease, RunningAttempt] = {}
        self._detached: set[asyncio.Task[Any]] = set()

    @property
    def attempts(self) -> int:
        """Attempts under way, from the lease to the clean slot."""
        return len(self._attempts)

    @property
    def contexts_open(self) -> int:
        """Attempts that have requested a browser context."""
        return sum(attempt.asked_for_page for attempt in self._attempts.values())

    @property
    def detached(self) -> int:
        """Functions that still run although they were cancelled."""
        return len(self._detached)

    async def run(self, task: Task, lease: Lease) -> bytes:
        """The function's result as JSON. Raises AttemptFailed or CancelledError."""
        attempt = self._attempts[lease] = self._begin(task, lease.slot)
        try:
            return await self._run(attempt, lease)
        finally:
            attempt.close()  # before the task's end is recorded, as its steps end here

    async def _run(self, attempt: RunningAttempt, lease: Lease) -> bytes:
        loop = asyncio.get_running_loop()
        attempt.ended = loop.create_future()
        timer = loop.call_later(attempt.timeout_s, attempt.end, End.OUT_OF_TIME)
        # The loop's watchdog logs this name when the function blocks.
        function = loop.create_task(
            _contained(attempt, attempt.task.input), name=attempt.runnable.task_name
        )
        attempt.function = function
        lease.move_to(STARTED)
        try:
            how = await attempt.ended
        except asyncio.CancelledError:
            attempt.cancelled = True
            raise
        finally:
            timer.cancel()
            if not function.done():
                function.cancel()
                await await_completion(self._stop(attempt, function))
        try:
            # Whatever the function made of it: its page is the guard's own, not the one it named.
            failed = function.cancelled() or not function.done() or function.exception() is not None
            if (forbidden := failures.of_forbidden_address(attempt, failed=failed)) is not None:
                raise forbidden
            if how is End.RETURNED:
                try:
                    result = checked_output(attempt.runnable.spec, function.result())[1]
                    return attempt.secrets.hide_in_result(result)
                except BaseException as error:  # always the function's: nothing is awaited here
                    raise await _fault(attempt, error) from error
            if how is End.OUT_OF_TIME:
                raise failures.of_deadline(attempt)
            if how is End.TOO_MUCH_TRAFFIC:
                raise failures.of_loss(attempt, Loss.TRAFFIC)
            assert attempt.browser is not None
            raise failures.of_loss(attempt, attempt.browser.lost.result())
        except AttemptFailed:
            await failures.save_failure_artifacts(attempt)
            raise

    def clean(self, task: Task, lease: Lease) -> Coroutine[Any, Any, None] | None:
        """Close the attempt's browser context; None if there is none."""
        attempt = self._attempts.get(lease)
        if attempt is None:
            return None
        if attempt.browser is None:
            self._forget(lease, attempt)
            return None
        return self._close(lease, attempt, attempt.browser)

    def _begin(self, task: Task, slot: Slot) -> RunningAttempt:
        """An attempt with the function's current code. Raises AttemptFailed if it cannot start."""
        runnable = self._parts.registry.runnable(task.spec.name)
        if runnable is None:
            gone = unknown_function(task.spec.name, self._parts.registry)
            raise AttemptFailed(gone, retryable=False)
        if runnable.spec is not task.spec:  # the file changed while the task waited
            try:
                task.input = checked_input(runnable.spec, task.submission.input)
            except ServiceError as error:
                raise AttemptFailed(error, retryable=False) from error
            task.spec = runnable.spec
        if fault := runnable.secrets.fault:  # it went after the function was looked up
            raise AttemptFailed(FunctionFailed(f"{task.spec.name} {fault}"), retryable=False)
        timeout_s = task.timeout_s
        deadline = Deadline.after(timeout_s)
        secrets = AttemptSecrets(self._redactor)
        attempt = RunningAttempt(task, runnable, self._parts, timeout_s, deadline, secrets, slot)
        if runnable.has_secrets:
            attempt.secrets.keep(runnable, task.input)
        return attempt

    async def _stop(self, attempt: RunningAttempt, function: "asyncio.Task[Any]") -> None:
        """Wait for the cancelled function; if it does not end, detach, count and log it."""
        _, stubborn = await asyncio.wait({function}, timeout=CANCEL_GRACE_S)
        if not stubborn:
            if not function.cancelled():
                function.exception()  # retrieved, so that asyncio does not report it
            return
        attempt.close()
        self._detached.add(function)
        function.add_done_callback(self._detached.discard)
        function.add_done_callback(lambda done: done.cancelled() or done.exception())
        log.error("function.detached", function=attempt.runnable.spec.name, task_id=attempt.task.id)
        attempt.task.log("the function ignores its cancellation; its slot is freed without it")

    async def _close(self, lease: Lease, attempt: RunningAttempt, browser: TaskContext) -> None:
        function = attempt.function
        if function is not None and not function.done():
            browser.spoiled = "a function ignores its cancellation"
        try:
            freed_by = await browser.close()
            if freed_by is not FreedBy.CLOSE:
                attempt.task.log(f"the slot was freed by force: {freed_by}")
                log.warning("slot.freed_by_force", by=freed_by, task_id=attempt.task.id)
        finally:
            self._forget(lease, attempt)

    def _forget(self, lease: Lease, attempt: RunningAttempt) -> None:
        del self._attempts[lease]
        function = attempt.function
        if function is None or function.done():
            attempt.secrets.forget()
        else:  # a detached function may still print its secrets
            function.add_done_callback(lambda _: attempt.secrets.forget())


async def _contained(attempt: RunningAttempt, filled: Any) -> Any:
    """The function's result. An exit that the function requests becomes Exited."""
    output = StepOutput(attempt, MAIN_STEP)
    # Never reset: the asyncio task has a context of its own.
    OUTPUT.set(output)
    context = RunContext(attempt, attempt.runnable)
    try:
        try:
            return await attempt.runnable.run(context, filled)
        finally:
            await attempt.shared.end(context)
    except (SystemExit, KeyboardInterrupt) as exit_:
        raise failures.Exited(f"it tried to end the process ({type(exit_).__name__})") from exit_
    finally:
        output.end()
        attempt.end_stream()
        # Here, as a callback of the asyncio task would run one loop iteration later.
        attempt.end(End.RETURNED)


async def _fault(attempt: RunningAttempt, error: BaseException) -> AttemptFailed:
    """The attempt's failure for the exception that the function raised."""
    lost = await _loss_of(attempt, error)
    if lost is not None:
        return failures.of_loss(attempt, lost)
    return failures.of_exception(attempt, error)


async def _loss_of(attempt: RunningAttempt, error: BaseException) -> Loss | None:
    """The loss that made the function's call fail; waits up to LOSS_NOTICE_S for its detection."""
    browser = attempt.browser
    if browser is None:
        return None
    if not browser.lost.done() and failures.is_loss(error):
        await asyncio.wait({browser.lost}, timeout=LOSS_NOTICE_S)
    if browser.lost.done():
        return browser.lost.result()
    # Tabs that the function opened itself are not watched: only the failed call shows a crash.
    return Loss.PAGE if failures.crashed_tab(error) else None
