"""The inputs of Strøm's tasks as the input of a flow."""

from typing import Any

from slotgrid.imports.notes import Notes
from slotgrid.imports.stroem_model import Part

TYPES = {
    "string": "string",
    "text": "string",
    "date": "string",
    "datetime": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
    "json": "any",
}
KNOWN = frozenset(
    {"type", "required", "secret", "default", "options", "allow_custom", "multiple", "order"}
    | {"name", "description"}
)
REQUEST = ("body", "headers", "method", "query")
"""What a hook gives its task."""


def flow_input(task: Part, notes: Notes, *, by_hook: bool, more: list[str]) -> dict[str, Any]:
    """The `input` of the flow. `more`: members that triggers give and the task does not declare."""
    given = task.value.get("input")
    if given is not None and not isinstance(given, dict):
        notes.left_out(task.line("input"), "`input` is no mapping")
        given = None
    made = {str(name): _field(str(name), one, task, notes) for name, one in (given or {}).items()}
    for name in (*(REQUEST if by_hook else ()), *more):
        made.setdefault(name, {"type": "any", "required": False})
    return made


def _field(name: str, given: Any, task: Part, notes: Notes) -> Any:
    line = task.line("input", name)
    if isinstance(given, str):
        given = {"type": given}
    if not isinstance(given, dict):
        notes.left_out(line, f"the input `{name}` has no type: it takes anything")
        return {"type": "any", "required": False}
    for key in given:
        if key not in KNOWN:
            notes.left_out(task.line("input", name, key), f"`{key}` is no key of an input")
    kind = TYPES.get(given.get("type", "string"))
    if kind is None:
        notes.left_out(
            line, f"the input `{name}` is a connection, `{given['type']}`: it takes anything"
        )
        kind = "any"
    one: dict[str, Any] = {"type": kind}
    if given.get("multiple") is True:
        one = {"type": "array"}
    elif isinstance(given.get("options"), list) and given.get("allow_custom") is not True:
        one["options"] = given["options"]
    default = given.get("default")
    if isinstance(default, str) and "{{" in default:
        notes.left_out(
            task.line("input", name, "default"), f"the default of `{name}` is a template"
        )
        default = None
    if default is not None:
        one["default"] = default
    elif given.get("required") is not True:
        one["required"] = False
    if given.get("secret") is True:
        one["secret"] = True
    doc = given.get("description") or given.get("name")
    if isinstance(doc, str):
        one["doc"] = " ".join(doc.split())
    return one
