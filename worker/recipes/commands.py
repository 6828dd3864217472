"""The built-in function `commands`: a list of actions, run in order until one fails."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import orjson

from slotgrid.core.deadlines import iso
from slotgrid.core.errors import FunctionFailed
from slotgrid.core.schema import Schema
from slotgrid.core.spec import FunctionSpec
from slotgrid.core.task_parts import Step
from slotgrid.function import InputRefused
from slotgrid.function_files.snapshot import REVISION_LENGTH
from worker import failures
from worker.actions.action import Action, ParametersInvalid
from worker.actions.action_context import ActionContext
from worker.actions.catalog import actions
from worker.actions.function_files import FunctionFiles
from worker.browser.errors import BrowserUnavailable
from worker.context import RunContext
from worker.recipes.step_output import shown_output
from worker.registry.runnable import Runnable

NAME = "commands"
MOST_COMMANDS = 1000
COMMAND_S = 60.0
"""Seconds that a command may take, unless it says more."""
TASK_S = 3600.0
NOT_COMMANDS = frozenset({"set", "return"})
"""Actions that only mean something in a recipe."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CommandsFunction(Runnable):
    """Runs `commands` in one browser context; the first that fails stops the rest."""

    files: FunctionFiles = field(repr=False)
    is_code: ClassVar[bool] = False

    async def run(self, context: Any, filled: Mapping[str, Any]) -> dict[str, Any]:
        """The commands' outputs and timings.

        Raises FunctionFailed for the first command that failed, InputRefused for parameters that
        its action refuses.
        """
        assert isinstance(context, RunContext)
        commands = filled["commands"]
        steps = [
            context.add_step(f"cmd_{number}", action=command["action"])
            for number, command in enumerate(commands)
        ]
        return {
            "commands": [
                await self._run(context, step, command, number)
                for number, (command, step) in enumerate(zip(commands, steps, strict=True))
            ]
        }

    async def _run(
        self, context: RunContext, step: Step, command: Mapping[str, Any], number: int
    ) -> dict[str, Any]:
        action = self._actions[command["action"]]
        given = command.get("with", {})
        within = context.within(step)
        doing = ActionContext(within, files=self.files, variables={})
        seconds = command.get("timeout_s", COMMAND_S)
        began = time.time()
        try:
            async with context.running(step, given) as scope:
                output = await doing.within(seconds, action.run(doing, given), what=action.name)
                scope.set_output(await shown_output(within, step, output))
        except ParametersInvalid as error:
            first = error.violations[0]
            raise InputRefused(f"commands/{number}/with{first.pointer}", first.message) from error
        except BrowserUnavailable:
            raise
        except Exception as error:
            raise FunctionFailed(
                f"command {number} ({action.name}): {failures.in_words(error)}"
            ) from error
        return {
            "action": action.name,
            "intention": command.get("intention"),
            "output": output,
            "started_at": iso(began),
            "run_ms": round((time.time() - began) * 1000, 1),
        }

    @cached_property
    def _actions(self) -> Mapping[str, Action]:
        return command_actions()


def command_actions() -> dict[str, Action]:
    """The actions that a command may name."""
    return {name: one for name, one in actions().items() if name not in NOT_COMMANDS}


def commands_function(
    files: FunctionFiles, *, group: str, contract: int, isolation: str = "context"
) -> CommandsFunction:
    """The built-in function, for a worker of that group and contract.

    `isolation` is what the pool `default` gives.
    """
    document = input_document()
    return CommandsFunction(
        spec=FunctionSpec(
            name=NAME,
            description="Run a list of actions in order, in one browser context, until one fails",
            kind="recipe",
            group=group,
            contract=contract,
            revision=hashlib.sha256(orjson.dumps(document)).hexdigest()[:REVISION_LENGTH],
            input=Schema(document),
            output=None,
            modes=("sync", "stream", "webhook", "async"),
            timeout_s=TASK_S,
            isolation=isolation,
        ),
        files=files,
    )


def input_document() -> dict[str, Any]:
    """The JSON Schema of the input: a command is one of the actions with its parameters.

    As alternatives that `action` tells apart: generated clients make types of them, and pages that
    show schemas need seconds for as many conditions.
    """
    definitions: dict[str, Any] = {}
    for name, one in command_actions().items():
        schema, own = _with_definitions(name, one.input.document)
        definitions |= own
        needs = ["with"] if schema.get("required") else []
        definitions[name] = {
            "description": one.description,
            "type": "object",
            "properties": {"action": {"const": name}, "with": schema, **_COMMAND},
            "required": ["action", *needs],
            "additionalProperties": False,
        }
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 200, "description": "For readers"},
            "intention": {"type": "string", "maxLength": 2000, "description": "For readers"},
            "commands": {
                "type": "array",
                "items": {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in command_actions()]},
                "minItems": 1,
                "maxItems": MOST_COMMANDS,
                "examples": [[{"action": "goto", "with": {"url": "https://example.org/"}}]],
            },
        },
        "required": ["commands"],
        "additionalProperties": False,
        "$defs": definitions,
    }


_COMMAND: Mapping[str, Any] = {
    "intention": {
        "type": "string",
        "maxLength": 2000,
        "description": "What the command is for; for readers",
    },
    "timeout_s": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": TASK_S,
        "description": f"Seconds that it may take; {COMMAND_S:g} if left out",
    },
}


def _with_definitions(action: str, document: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """An action's schema within a larger document, and its definitions under names of its own."""
    schema = {name: part for name, part in document.items() if name != "$defs"}
    prefix = f"#/$defs/{action}-"
    definitions = document.get("$defs", {})
    own = {f"{action}-{name}": _moved(part, prefix) for name, part in definitions.items()}
    return _moved(schema, prefix), own


def _moved(part: Any, prefix: str) -> Any:
    if isinstance(part, list):
        return [_moved(one, prefix) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        key: value.replace("#/$defs/", prefix)
        if key == "$ref" and isinstance(value, str)
        else _moved(value, prefix)
        for key, value in part.items()
    }
