"""Runs the setup function of a persistent pool: once in each new context, before any task."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from slotgrid.core.admission import checked_input
from slotgrid.core.deadlines import Deadline
from slotgrid.core.errors import ServiceError
from slotgrid.core.fields import Mode
from slotgrid.core.slots import Slot
from slotgrid.core.spec import unknown_function
from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_parts import Source
from slotgrid.runtime.secrets import Redactor
from worker import failures
from worker.attempt import Parts, RunningAttempt
from worker.attempt_secrets import AttemptSecrets
from worker.browser.browser_context import TaskContext
from worker.browser.persistent_slot import SetupFailed, SlotPlace
from worker.context import RunContext
from worker.registry.runnable import Runnable

log = structlog.get_logger()

CANCEL_GRACE_S = 1.0


class PoolSetup:
    """Runs setup functions as tasks of no caller: they are in no list, and hold no lease.

    The slot gets tasks only afterwards. What the function saves as a file is removed.
    """

    def __init__(self, parts: Callable[[], Parts], redactor: Redactor, *, node: str) -> None:
        self._parts = parts
        self._redactor = redactor
        self._node = node

    async def run(self, function: str, place: SlotPlace, context: TaskContext) -> None:
        """Run `function` without input in `context`. Raises SetupFailed."""
        attempt = self._attempt(function, place)
        task, spec = attempt.task, attempt.runnable.spec
        try:
            attempt.adopt(context)
            await self._run(attempt, context)
        except (ServiceError, SetupFailed) as error:
            raise SetupFailed(f"the setup function {function} failed: {error}") from error
        finally:
            attempt.close()
            attempt.secrets.forget()
            self._parts().artifacts.remove(task)
        log.info("pools.set_up", pool=place.pool, slot=place.number, function=spec.name)

    def _attempt(self, function: str, place: SlotPlace) -> RunningAttempt:
        parts = self._parts()
        runnable = parts.registry.runnable(function)
        if runnable is None:
            fault = unknown_function(function, parts.registry)
            raise SetupFailed(f"the setup function of the pool {place.pool}: {fault}")
        for service in runnable.spec.requires:
            if not parts.services.is_up(service):
                raise SetupFailed(f"the setup function {function} needs the service {service}")
        try:
            filled = checked_input(runnable.spec, {})
        except ServiceError as error:
            raise SetupFailed(f"the setup function runs without input: {error}") from error
        task = Task(
            Submission(function=function, input={}, mode=Mode.SYNC),
            runnable.spec,
            owner="root",
            source=Source("setup", place.pool),
            input=filled,
        )
        task.begin_attempt(self._node, place.number)
        secrets = AttemptSecrets(self._redactor)
        timeout_s = runnable.spec.timeout_s
        slot = Slot(place.number, place.pool, self._node)
        attempt = RunningAttempt(
            task, runnable, parts, timeout_s, Deadline.after(timeout_s), secrets, slot
        )
        if runnable.has_secrets:
            secrets.keep(runnable, filled)
        return attempt

    async def _run(self, attempt: RunningAttempt, context: TaskContext) -> None:
        runnable = attempt.runnable
        function = asyncio.create_task(
            _contained(attempt, runnable, attempt.task.input), name=runnable.task_name
        )
        try:
            await asyncio.wait(
                {function, context.lost},
                timeout=attempt.timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if context.lost.done():
                raise SetupFailed(f"its browser was lost ({context.lost.result()})")
            if not function.done():
                raise SetupFailed(f"it ran longer than its {attempt.timeout_s:g} s")
            if (error := function.exception()) is not None:
                raise SetupFailed(attempt.secrets.hide_text(failures.in_words(error))) from error
        finally:
            function.cancel()
            await asyncio.wait({function}, timeout=CANCEL_GRACE_S)
            if function.done() and not function.cancelled():
                function.exception()  # retrieved, so that asyncio does not report it


async def _contained(attempt: RunningAttempt, runnable: Runnable, filled: Any) -> Any:
    try:
        return await runnable.run(RunContext(attempt, runnable), filled)
    except (SystemExit, KeyboardInterrupt) as error:
        raise failures.Exited("it tried to end the process") from error
