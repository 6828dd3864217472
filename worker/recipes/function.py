"""A recipe that is ready to run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, ClassVar

import msgspec

from slotgrid.function import Context
from slotgrid.steps.faults import TemplateFault
from slotgrid.steps.model import StepsFile
from slotgrid.steps.templates import Template
from worker.actions.action import Action
from worker.actions.errors import ActionFailed
from worker.actions.function_files import FunctionFiles
from worker.context import RunContext
from worker.pages.browser_options import BrowserOptions
from worker.recipes.engine import Engine
from worker.recipes.errors import StepFailed
from worker.recipes.scope import Scope
from worker.registry.runnable import Runnable


@dataclass(frozen=True, kw_only=True, eq=False)
class RecipeFunction(Runnable):
    """The steps of a file, and what they need."""

    path: PurePosixPath
    recipe: StepsFile
    browser: Template
    files: FunctionFiles = field(repr=False)
    is_code: ClassVar[bool] = False
    actions: Mapping[str, Action] = field(repr=False)

    async def run(self, context: Context, filled: Mapping[str, Any]) -> Any:
        """The value of `return`, else the outputs of the steps by name.

        Raises StepFailed for the first step that fails.
        """
        assert isinstance(context, RunContext)
        recipe = self.recipe
        engine = Engine(context, self.actions, self.files)
        task = {"id": context.task_id, "attempt": context.attempt}
        secrets = {name: context.secrets.get(name) for name in recipe.secrets}
        scope = Scope.of(given=filled, secrets=secrets, task=task)
        if recipe.browser:
            engine.use_browser(browser_options(self.browser.render(scope.values)))
        if recipe.setup is not None:
            await context.status(f"setup: {recipe.setup}")
            output = await context.call(recipe.setup)
            scope.note("setup", status="completed", output=output)
        engine.show(recipe.steps)
        try:
            outputs = await engine.run(recipe.steps, scope, context)
        except StepFailed as failed:
            if context.is_outermost:
                raise
            # The lines are of this file, not of the caller's.
            inner = StepFailed.at(self.spec.name, str(failed), failed)
            raise inner from (None if inner is failed else failed)
        if engine.returned is not None:
            return engine.returned.value
        if recipe.result is None:
            return outputs
        try:
            return recipe.result.render(scope.values)
        except TemplateFault as fault:
            line = recipe.document.line("/return")
            raise ActionFailed(f"return (line {line}): {fault}") from fault


def browser_options(given: Any) -> BrowserOptions:
    """The options of a recipe's `browser` block. Raises ActionFailed."""
    try:
        return msgspec.convert(given, BrowserOptions)
    except msgspec.ValidationError as cause:
        raise ActionFailed(f"browser: {cause}") from cause
