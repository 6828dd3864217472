"""Runs the steps of a recipe: in order, with conditions, loops, retries and time limits."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from slotgrid.core.errors import OutputInvalid
from slotgrid.core.task_parts import Step as TaskStep
from slotgrid.steps.faults import TemplateFault
from slotgrid.steps.model import Step
from worker import failures
from worker.actions.action import Action, ParametersInvalid
from worker.actions.action_context import ActionContext
from worker.actions.browser_session import BrowserSession
from worker.actions.errors import ActionFailed, Returned
from worker.actions.function_files import FunctionFiles
from worker.actions.recorder import Recorder, RecordOptions
from worker.context import RunContext
from worker.pages.browser_options import BrowserOptions
from worker.recipes.errors import ENDS_ALL, StepFailed
from worker.recipes.kept_outputs import KeptOutputs
from worker.recipes.loops import Rounds, loops
from worker.recipes.scope import Scope
from worker.recipes.step_output import shown_output
from worker.recipes.turns import Turns

NO_TEXT = "is not of type 'string'"
PASSED_ON = (*ENDS_ALL, OutputInvalid)
"""Errors that mean the same wherever they happen."""
NOT_RETRIED = (*PASSED_ON, TemplateFault, ParametersInvalid)
"""Errors that a step's next attempt would meet again: what its templates read has not changed."""


class Engine:
    """One run of a recipe."""

    def __init__(
        self, context: RunContext, actions: Mapping[str, Action], files: FunctionFiles
    ) -> None:
        self._context = context
        self._actions = actions
        self._files = files
        self._shown: dict[int, TaskStep] = {}
        self._turns = Turns()
        self._kept = KeptOutputs()
        self.returned: Returned | None = None
        """What the action `return` gave; the steps after it do not run."""

    def use_browser(self, options: BrowserOptions) -> None:
        """Open the task's browser context with these options, when a step needs it.

        Raises ActionFailed if the task's context is open or meant to have others.
        """
        session = self._context.shared(BrowserSession)
        if session.browser is None and not session.has_page:
            session.browser = options
        elif session.browser != options:
            raise ActionFailed(
                "browser: the task's browser context has other options already; give them in the "
                "recipe that calls this one"
            )

    def show(self, steps: Sequence[Step], *, within: str = "") -> None:
        """Add the steps to the task, pending; those within a loop are not shown by themselves.

        Raises KeepsTooMuch.
        """
        for step in steps:
            name = f"{within}{step.name}"
            self._shown[id(step)] = self._context.add_step(name, action=step.action)
            if not loops(step):
                self.show(step.steps, within=f"{name}.")

    async def run(self, steps: Sequence[Step], scope: Scope, context: RunContext) -> dict[str, Any]:
        """Run the steps; their outputs by name. Raises StepFailed for the first that fails."""
        outputs: dict[str, Any] = {}
        for step in steps:
            if self.returned is not None:
                break
            outputs[step.name] = await self._step(step, scope, context)
        return outputs

    async def _step(self, step: Step, scope: Scope, context: RunContext) -> Any:
        """Run a step if its condition holds; its output, None if it was skipped or failed."""
        await self._turns.pause()
        shown = self._shown.get(id(step))
        try:
            if step.when is not None and not step.when.holds(scope.values):
                scope.note(step.name, status="skipped")
                if shown is not None:
                    await context.skip(shown)
                return None
            output = await self._body(step, scope, context, shown)
        except Exception as error:
            failed = self._failure(step, error)
            passed_on = isinstance(error, PASSED_ON)
            if not step.continue_on_error or context.browser_lost or passed_on:
                raise failed from (None if failed is error else error)
            scope.note(step.name, status="failed", error=str(failed))
            await context.log(f"{failed}; the recipe goes on", "stderr")
            return None
        scope.note(step.name, status="completed", output=output)
        return output

    def _failure(self, step: Step, error: Exception) -> Exception:
        """The error as the step's own; the error itself if it means the same everywhere."""
        if isinstance(error, PASSED_ON):
            return error
        what = f"{step.action}, " if step.action else ""
        words = failures.in_words(error)
        if isinstance(error, ParametersInvalid) and words.endswith(NO_TEXT):
            words += "; a template alone keeps its type: `|tojson` or text around it gives text"
        return StepFailed.at(f"step {step.name} ({what}line {step.line})", words, error)

    async def _body(
        self, step: Step, scope: Scope, context: RunContext, shown: TaskStep | None
    ) -> Any:
        """Run a step whose condition holds, as a step of the task if it is shown."""
        if shown is None:
            return await self._recorded(step, scope, context)
        within = context.within(shown)
        rendered: Any = None
        fault: TemplateFault | None = None
        try:
            rendered = None if loops(step) or step.steps else step.given.render(scope.values)
        except TemplateFault as cause:
            fault = cause
        async with context.running(shown, rendered) as running:
            if fault is not None:
                raise fault
            output = await self._recorded(step, scope, within, rendered)
            running.set_output(await shown_output(within, shown, output))
        return output

    async def _recorded(
        self, step: Step, scope: Scope, context: RunContext, rendered: Any = None
    ) -> Any:
        """Run a step, with a recording if it asks for one."""
        async with AsyncExitStack() as stack:
            if step.record is not None:
                doing = self._doing(scope, context)
                options = msgspec.convert(step.record, RecordOptions)
                await stack.enter_async_context(Recorder(doing, step.name, options))
            if step.status is not None:
                await context.status(str(step.status.render(scope.values)))
            if not loops(step):
                return await self._retried(step, scope, context, rendered)
            rounds = Rounds(step, scope, context, self._kept)
            return await rounds.run(
                lambda inner: self._retried(step, inner, context), lambda: self.returned is not None
            )

    async def _retried(
        self, step: Step, scope: Scope, context: RunContext, rendered: Any = None
    ) -> Any:
        """Run one round of a step, again after a failure if it says so."""
        retry, attempt = step.retry, 1
        while retry is not None and attempt < retry.attempts:
            try:
                return await self._once(step, scope, context, rendered)
            except NOT_RETRIED:
                raise
            except Exception as error:
                if context.browser_lost:
                    raise
                pause_s = retry.pause_s(attempt, random.random())  # noqa: S311  no secret
                words = failures.in_words(error)
                await context.log(f"step {step.name}: {words}; again in {pause_s:.3g} s", "stderr")
                await asyncio.sleep(pause_s)
                attempt += 1
        return await self._once(step, scope, context, rendered)

    async def _once(self, step: Step, scope: Scope, context: RunContext, rendered: Any) -> Any:
        work = (
            self.run(step.steps, scope, context)
            if step.steps
            else self._act(step, scope, context, rendered)
        )
        if step.timeout_s is None:
            return await work
        doing = self._doing(scope, context)
        return await doing.within(step.timeout_s, work, what=step.action or step.name)

    async def _act(self, step: Step, scope: Scope, context: RunContext, rendered: Any) -> Any:
        assert step.action is not None
        given = step.given.render(scope.values) if rendered is None else rendered
        try:
            output = await self._actions[step.action].run(self._doing(scope, context), given)
        except Returned as returned:
            self.returned = returned
            return returned.value
        if loops(step) or id(step) not in self._shown:  # a round's, kept until the recipe ends
            self._kept.add(step, output)
        return output

    def _doing(self, scope: Scope, context: RunContext) -> ActionContext:
        return ActionContext(context, files=self._files, variables=scope.variables)
