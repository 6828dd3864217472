"""Runs a task on this machine: one attempt, one lease, one deadline."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from slotgrid.core.admission import checked_input
from slotgrid.core.errors import ServiceError
from slotgrid.core.lease import Lease
from slotgrid.core.moments import Deadline
from slotgrid.core.runner import AttemptFailed
from slotgrid.core.spec import unknown_function
from slotgrid.core.task import Task
from slotgrid.core.uninterrupted import uninterrupted
from slotgrid.runtime.secrets import Redactor
from worker import failures
from worker.attempt import Attempt, End, Parts
from worker.browser.context import TaskContext
from worker.browser.states import FreedBy, Lost
from worker.context import RunContext, checked_output, run_function

log = structlog.get_logger()

CANCEL_GRACE_S = 1.0
"""The first rung of the ladder: how long a cancelled function has to wind up."""
LOSS_NOTICE_S = 1.0
"""How long after a call that failed for it the news of a lost browser may take to arrive."""


class LocalRunner:
    """Fulfils `slotgrid.core.runner.Runner` with functions of the registry."""

    def __init__(self, parts: Parts, redactor: Redactor) -> None:
        self._parts = parts
        self._redactor = redactor
        self._attempts: dict[Lease, Attempt] = {}
        self._detached: set[asyncio.Task[Any]] = set()

    @property
    def attempts(self) -> int:
        """Attempts under way, from the lease to the clean slot."""
        return len(self._attempts)

    @property
    def contexts_open(self) -> int:
        """Attempts that have a browser context, or are about to get theirs."""
        return sum(attempt.asked_for_page for attempt in self._attempts.values())

    @property
    def detached(self) -> int:
        """Functions that went on after they were cancelled, and still do."""
        return len(self._detached)

    async def run(self, task: Task, lease: Lease) -> bytes:
        """The function's result as JSON. Raises AttemptFailed or CancelledError."""
        attempt = self._attempts[lease] = self._begin(task)
        loaded = attempt.loaded
        loop = asyncio.get_running_loop()
        attempt.ended = loop.create_future()
        timer = loop.call_later(attempt.timeout_s, attempt.end, End.OUT_OF_TIME)
        # Its name is what the loop's watchdog accuses when the function blocks.
        function = loop.create_task(_contained(attempt, task.input), name=loaded.task_name)
        attempt.function = function
        try:
            how = await attempt.ended
        except asyncio.CancelledError:
            attempt.cancelled = True
            raise
        finally:
            timer.cancel()
            if not function.done():
                function.cancel()
                await uninterrupted(self._stop(attempt, function))
        try:
            if how is End.RETURNED:
                try:
                    return checked_output(attempt.loaded, function.result())[1]
                except BaseException as error:  # all of it is the function's: nothing is awaited
                    raise await _fault(attempt, error) from error
            if how is End.OUT_OF_TIME:
                raise failures.of_deadline(attempt)
            assert attempt.browser is not None
            raise failures.of_loss(attempt, attempt.browser.lost.result())
        except AttemptFailed:
            await failures.leave_keepsakes(attempt)
            raise

    def clean(self, task: Task, lease: Lease) -> Coroutine[Any, Any, None] | None:
        """Close the attempt's browser context; None when it never had one."""
        attempt = self._attempts.get(lease)
        if attempt is None:
            return None
        attempt.close()
        if attempt.browser is None:
            self._forget(lease, attempt)
            return None
        return self._close(lease, attempt, attempt.browser)

    def _begin(self, task: Task) -> Attempt:
        """The attempt, on the function as it is now. Raises AttemptFailed if it cannot be."""
        loaded = self._parts.registry.loaded(task.spec.name)
        if loaded is None:
            gone = unknown_function(task.spec.name, self._parts.registry)
            raise AttemptFailed(gone, retryable=False)
        if loaded.spec is not task.spec:  # the file changed while the task waited
            try:
                task.input = checked_input(loaded.spec, task.submission.input)
            except ServiceError as error:
                raise AttemptFailed(error, retryable=False) from error
            task.spec = loaded.spec
        asked_s, most_s = task.submission.timeout_s, loaded.spec.timeout_s
        timeout_s = most_s if asked_s is None else min(asked_s, most_s)
        deadline = Deadline.after(timeout_s)
        attempt = Attempt(task, loaded, self._parts, timeout_s, deadline, self._redactor)
        if loaded.knows_secrets:
            attempt.keep_secret(loaded, task.input)
        return attempt

    async def _stop(self, attempt: Attempt, function: "asyncio.Task[Any]") -> None:
        """Wait for the cancelled function; one that will not end is left, counted and named."""
        _, stubborn = await asyncio.wait({function}, timeout=CANCEL_GRACE_S)
        if not stubborn:
            if not function.cancelled():
                function.exception()  # retrieved: what it raised while winding up has no reader
            return
        attempt.close()
        self._detached.add(function)
        function.add_done_callback(self._detached.discard)
        function.add_done_callback(lambda done: done.cancelled() or done.exception())
        log.error("function.detached", function=attempt.loaded.spec.name, task_id=attempt.task.id)
        attempt.task.log("the function goes on although it was cancelled; its slot is taken away")

    async def _close(self, lease: Lease, attempt: Attempt, browser: TaskContext) -> None:
        try:
            freed_by = await browser.close()
            if freed_by is not FreedBy.CLOSE:
                attempt.task.log(f"the slot was freed by force: {freed_by}")
                log.warning("slot.freed_by_force", by=freed_by, task_id=attempt.task.id)
        finally:
            self._forget(lease, attempt)

    def _forget(self, lease: Lease, attempt: Attempt) -> None:
        del self._attempts[lease]
        function = attempt.function
        if function is None or function.done():
            attempt.forget_secrets()
        else:  # what goes on although it was cancelled may still write what it knows
            function.add_done_callback(lambda _: attempt.forget_secrets())


async def _contained(attempt: Attempt, filled: Any) -> Any:
    """What the function returns; it may fail, but not end the process."""
    try:
        return await run_function(RunContext(attempt, attempt.loaded), filled)
    except (SystemExit, KeyboardInterrupt) as exit_:
        raise failures.Exited(f"it tried to end the process ({type(exit_).__name__})") from exit_
    finally:
        # Here, for a callback of the asyncio task would come a turn of the loop later.
        attempt.end(End.RETURNED)


async def _fault(attempt: Attempt, error: BaseException) -> AttemptFailed:
    """What the attempt fails with, for what the function raised."""
    lost = await _loss_behind(attempt, error)
    if lost is not None:
        return failures.of_loss(attempt, lost)
    return failures.of_exception(attempt, error)


async def _loss_behind(attempt: Attempt, error: BaseException) -> Lost | None:
    """The loss that made the function's call fail, which may be noticed a little later."""
    browser = attempt.browser
    if browser is None:
        return None
    if not browser.lost.done() and failures.tells_of_loss(error):
        await asyncio.wait({browser.lost}, timeout=LOSS_NOTICE_S)
    if browser.lost.done():
        return browser.lost.result()
    # A tab that the function opened itself is not watched: only the call tells of its crash.
    return Lost.PAGE if failures.crashed_tab(error) else None
