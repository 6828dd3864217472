"""Actions of Strøm as functions: the flows of tasks, and what somebody has to write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slotgrid.imports.function_names import function_name
from slotgrid.imports.notes import Notes
from slotgrid.imports.stroem_model import Workspace


class LeftOut(Exception):
    """A task that cannot be a flow: the line, and why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class Around:
    """What the tasks of a workspace need to know of each other.

    `functions`: the flow's name by the task's. `by_hook` has the tasks that requests start, `given`
    the members that triggers give a task. `missing` collects the functions that somebody has to
    write: the kind of the action, by name.
    """

    workspace: Workspace
    functions: Mapping[str, str]
    by_hook: frozenset[str]
    given: Mapping[str, list[str]]
    missing: dict[str, str] = field(default_factory=dict)

    def function_of(self, action: str, line: int, notes: Notes) -> str:
        """The function that runs a named action. Raises LeftOut."""
        found = self.workspace.actions.get(action)
        if found is not None and found.value.get("type") == "task":
            return self.flow_of(found.value.get("task"), line)
        function = function_name(action)
        if not function:
            raise LeftOut(line, f"the action `{action}` has no name that a file can have")
        if function in self.functions.values():  # a task has that name
            function = f"{function}-action"
        kind = "unknown" if found is None else str(found.value.get("type"))
        self.need(function, kind, line, notes)
        return function

    def flow_of(self, task: Any, line: int) -> str:
        """The flow of a task. Raises LeftOut."""
        function = self.functions.get(task) if isinstance(task, str) else None
        if function is None:
            raise LeftOut(line, f"there is no task `{task}` in these files")
        return function

    def need(self, function: str, kind: str, line: int, notes: Notes) -> None:
        """Note, once, that somebody has to write the function."""
        if function not in self.missing:
            self.missing[function] = kind
            notes.left_out(line, _what_to_write(function, kind))


def _what_to_write(function: str, kind: str) -> str:
    if kind == "approval":
        return (
            f"nothing here waits for an approval: write a function `{function}`, or split the flow"
        )
    what = {
        "script": "a script",
        "docker": "a container",
        "pod": "a pod of Kubernetes",
        "agent": "a call of a language model",
        "unknown": "not in these files",
    }.get(kind, f"of the type `{kind}`")
    return f"write a function `{function}` (docs/functions.md): its action is {what}"
