"""Actions: coroutine functions with a name, a schema of their parameters, and an example."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Error

from slotgrid.core.errors import OutputInvalid, Violation
from slotgrid.core.event_log import NotJson
from slotgrid.core.schema import Schema
from slotgrid.function import InputRefused
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed, TabClosed
from worker.json_values import plain_json
from worker.signatures.binding import Binding
from worker.signatures.signature import describe, read_signature

Run = Callable[..., Awaitable[Any]]

_EXAMPLE = re.compile(r"Example:\n\n```yaml\n(.*?)```", re.DOTALL)
_LIMITS = re.compile(r"Limits:\n\n((?:- .*(?:\n  .*)*\n?)+)")


class ParametersInvalid(ActionFailed):
    """The parameters of an action do not match its schema; `violations` point into them."""

    def __init__(self, action: str, violations: list[Violation]) -> None:
        first = violations[0]
        super().__init__(f"with{first.pointer}: {first.message}")
        self.violations = violations


@dataclass(frozen=True, kw_only=True, eq=False)
class Action:
    """One action. `theme` is the module that defines it; `input` is the schema of `with`."""

    name: str
    theme: str
    description: str
    input: Schema
    output: Schema | None
    function: Run = field(repr=False)
    binding: Binding = field(repr=False)

    @property
    def example(self) -> str:
        """The steps of the docstring's example, as YAML; empty without one."""
        found = _EXAMPLE.search(inspect.getdoc(self.function) or "")
        return found[1] if found else ""

    @property
    def limits(self) -> str:
        """What the action does not do: the docstring's list as Markdown; empty without one."""
        found = _LIMITS.search(inspect.getdoc(self.function) or "")
        return found[1].strip() if found else ""

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises ParametersInvalid for parameters that the action cannot take."""
        if violations := self.input.violations(given):
            raise ParametersInvalid(self.name, violations)

    async def run(self, context: ActionContext, given: Mapping[str, Any]) -> Any:
        """The action's output as plain JSON.

        Raises ParametersInvalid, and whatever the action raises.
        """
        self.check(given)
        try:
            returned = await self.function(context, **self.binding.bind(given))
        except InputRefused as refused:
            raise self._refusal(refused) from refused
        except Error as error:
            if type(error).__name__ != "TargetClosedError":  # Playwright exports no such name
                raise
            raise TabClosed(f"the tab was closed while {self.name} ran") from error
        try:
            return plain_json(returned)
        except NotJson as cause:
            raise OutputInvalid(f"{self.name} gave a value that is not JSON: {cause}") from cause

    def _refusal(self, refused: InputRefused) -> ActionFailed:
        """The error for what a function of `worker.pages` refuses, whose words are its own.

        It may be no parameter, but an option of the browser, which recipe and pool set.
        """
        parameter, *_ = (refused.field or "").split("/")
        if parameter in self.input.document.get("properties", {}):
            return ParametersInvalid(self.name, [Violation(f"/{refused.field}", str(refused))])
        return ActionFailed(f"{refused.field}: {refused}" if refused.field else str(refused))


def action(function: Run) -> Run:
    """Mark a coroutine function as an action, under its name without a trailing underscore.

    The first parameter is the ActionContext; the others are typed and given by name. The first
    paragraph of the docstring says in a sentence or two what the action does. Under `Example:` the
    docstring has steps of a recipe, as a block of YAML, which a test runs on the tests' site;
    under `Limits:` a list of what the action does not do.
    """
    setattr(function, MARK, True)
    return function


MARK = "__slotgrid_action__"


def actions_of(module: Any) -> list[Action]:
    """The actions that a module defines, in the order of their definition."""
    return [
        _action_of(member)
        for member in vars(module).values()
        if getattr(member, MARK, False) and member.__module__ == module.__name__
    ]


def _action_of(function: Run) -> Action:
    signature = read_signature(function)
    return Action(
        name=function.__name__.rstrip("_"),
        theme=function.__module__.rpartition(".")[2],
        description=describe(function),
        input=signature.input,
        output=signature.output,
        function=function,
        binding=signature.binding,
    )
