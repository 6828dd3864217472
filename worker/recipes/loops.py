"""The rounds of a step that loops: over items, or while a condition holds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from slotgrid.steps.model import ITEMS_MOST, Step
from worker import failures
from worker.actions.errors import ActionFailed
from worker.context import RunContext
from worker.recipes.errors import ENDS_ALL, StepFailed
from worker.recipes.kept_outputs import KeptOutputs
from worker.recipes.scope import Scope

PROGRESS_EVERY_S = 1.0


def loops(step: Step) -> bool:
    """Whether the step has rounds."""
    return step.for_each is not None or step.repeat is not None


class Rounds:
    """Runs the rounds of one step. A loop is one step of the task, with counts."""

    def __init__(self, step: Step, scope: Scope, context: RunContext, kept: KeptOutputs) -> None:
        self._step = step
        self._scope = scope
        self._context = context
        self._kept = kept
        self._done = self._failed = 0
        self._last_error = ""
        self._told_at = time.monotonic()

    async def run(
        self, work: Callable[[Scope], Awaitable[Any]], ended: Callable[[], bool]
    ) -> list[Any]:
        """The outputs of all rounds, None for those that failed; stops when `ended` says so.

        Raises StepFailed for the first round that fails, unless the step continues on errors.
        """
        if self._step.for_each is not None:
            outputs = await self._over_items(work, ended)
        else:
            outputs = await self._while(work, ended)
        if self._failed:
            await self._context.log(
                f"{self._failed} of {self._done} rounds of {self._step.name} failed; "
                f"the last error: {self._last_error}",
                "stderr",
            )
        return outputs

    async def _over_items(
        self, work: Callable[[Scope], Awaitable[Any]], ended: Callable[[], bool]
    ) -> list[Any]:
        assert self._step.for_each is not None
        items = self._step.for_each.render(self._scope.values)
        if not isinstance(items, list):
            kind = type(items).__name__
            raise ActionFailed(f"for_each is {kind}, expected a list: {str(items)[:80]!r}")
        if len(items) > ITEMS_MOST:
            raise ActionFailed(f"for_each has {len(items)} items; {ITEMS_MOST} are possible")
        outputs = []
        for index, item in enumerate(items):
            outputs.append(await self._round(work, item, index))
            if ended():
                break
            await self._tell(len(items))
        return outputs

    async def _while(
        self, work: Callable[[Scope], Awaitable[Any]], ended: Callable[[], bool]
    ) -> list[Any]:
        repeat = self._step.repeat
        assert repeat is not None
        condition, until = repeat.condition, repeat.until
        outputs: list[Any] = []
        scope = self._scope.round(None, 0)
        while until or condition is None or condition.holds(scope.values):
            if len(outputs) >= repeat.most:
                if condition is None:
                    break
                raise ActionFailed(
                    f"its condition still asks for more after {repeat.most} rounds (`max`)"
                )
            if outputs:
                await asyncio.sleep(repeat.pause_s)
            scope = self._scope.round(None, len(outputs))
            outputs.append(await self._round(work, None, len(outputs), scope))
            # `until` may read the output of the step that it belongs to.
            scope.note(self._step.name, status="completed", output=outputs[-1])
            if ended() or (until and condition is not None and condition.holds(scope.values)):
                break
            await self._tell(None)
        return outputs

    async def _round(
        self,
        work: Callable[[Scope], Awaitable[Any]],
        item: Any,
        index: int,
        scope: Scope | None = None,
    ) -> Any:
        self._done += 1
        self._kept.add_round(self._step)
        try:
            return await work(scope or self._scope.round(item, index))
        except ENDS_ALL:
            raise
        except Exception as error:
            words = failures.in_words(error)
            if not self._step.continue_on_error or self._context.browser_lost:
                failed = StepFailed.at(f"round {index}", words, error)
                raise failed from (None if failed is error else error)
            self._failed, self._last_error = self._failed + 1, words
            return None

    async def _tell(self, of: int | None) -> None:
        """Emit the progress, at most each PROGRESS_EVERY_S."""
        now = time.monotonic()
        if now - self._told_at < PROGRESS_EVERY_S:
            return
        self._told_at = now
        text = f"{self._step.name}: {self._done}" + (f" of {of}" if of else " rounds")
        await self._context.progress(text, self._done / of if of else None)
