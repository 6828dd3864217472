"""What the end of a task of Strøm starts: one function, or a flow of several."""

from collections.abc import Mapping
from typing import Any

from slotgrid.imports.notes import Notes
from slotgrid.imports.stroem_actions import Around
from slotgrid.imports.stroem_model import Part
from slotgrid.imports.stroem_templates import Templates, Untranslatable

ENDS = ("on_success", "on_error", "on_cancel")
_OF_HOOK: Mapping[str, str] = {
    "status": "status",
    "is_success": 'status == "completed"',
    "job_id": "task.id",
    "error_message": "(error.message if error else none)",
}
"""What a template of a hook reads: our expression."""
PASSED: Mapping[str, str] = {
    "status": "{{ status }}",
    "task_id": "{{ task.id }}",
    "error_message": "{{ error.message if error else none }}",
}
"""What a flow of several hooks is given, by the names of its input."""
_IN_FLOW: Mapping[str, str] = {
    "status": "input.status",
    "is_success": 'input.status == "completed"',
    "job_id": "input.task_id",
    "error_message": "input.error_message",
}


def hooks_of(
    task: Part, end: str, workspace: Mapping[str, Part], notes: Notes
) -> tuple[Part, list[Mapping[str, Any]]]:
    """The hooks of that end and where they stand: the task's own, or those of the workspace."""
    part, given = task, task.value.get(end)
    if not given and end in workspace:
        part = workspace[end]
        given = part.value["hooks"]
    hooks = given if isinstance(given, list) else [given] if given else []
    if not all(isinstance(hook, dict) and isinstance(hook.get("action"), str) for hook in hooks):
        notes.left_out(part.line(end), f"`{end}` is no list of actions")
        return part, []
    return part, hooks


def handler_of(
    hook: Mapping[str, Any],
    function: str,
    part: Part,
    end: str,
    *,
    around: Around,
    notes: Notes,
    in_flow: bool = False,
) -> dict[str, Any]:
    """What one hook of the flow `function` starts: `{function, input}`. Raises LeftOut.

    `in_flow`: it is a step of a flow that gets what the end gives as its input.
    """
    of_hook = _IN_FLOW if in_flow else _OF_HOOK

    def names(name: str, members: tuple[str, ...]) -> str:
        ours = of_hook.get(members[0].removeprefix(".")) if len(members) == 1 else None
        if name == "hook" and ours is not None:
            return ours
        if name == "hook" and members == (".task_name",):
            return f'"{function}"'
        raise Untranslatable(f"`{name}{''.join(members)}` in `{end}`")

    made: dict[str, Any] = {"function": around.function_of(hook["action"], part.line(end), notes)}
    given: dict[str, Any] = {}
    for key, value in (hook.get("input") or {}).items():
        try:
            given[str(key)] = Templates(names).value(value)
        except Untranslatable as why:
            notes.left_out(part.line(end), f"`{key}` of `{end}` was left out: {why}")
    if given:
        made["input"] = given
    return made


def flow_of_hooks(handlers: list[dict[str, Any]]) -> dict[str, Any]:
    """The flow that starts all handlers of one end, each by itself."""
    steps = [
        {
            "name": f"hook-{number}",
            "needs": [],
            "function": handler["function"],
            **({"with": handler["input"]} if "input" in handler else {}),
        }
        for number, handler in enumerate(handlers, start=1)
    ]
    optional = {"type": "any", "required": False}
    return {"kind": "flow", "input": dict.fromkeys(PASSED, optional), "steps": steps}
