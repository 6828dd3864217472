"""A task of webtasks as the text of a recipe."""

from pathlib import PurePosixPath
from typing import Any

from slotgrid.imports.notes import NewFile, Notes
from slotgrid.imports.recipe_text import yaml_text
from slotgrid.imports.webtask_control_rules import CONTROL_RULES, function_of, given_to
from slotgrid.imports.webtask_data_rules import DATA_RULES
from slotgrid.imports.webtask_model import Webtask, WebtaskInput, WebtaskStep
from slotgrid.imports.webtask_page_rules import PAGE_RULES
from slotgrid.imports.webtask_scope import Names, WebtaskScope
from slotgrid.imports.webtask_steps import Ours, Surroundings, Writing
from slotgrid.imports.webtask_templates import Bound, member, value_of
from slotgrid.steps.reading import StepsFault, read_steps

_TIMEOUT_MOST_S = 604_800
_TYPES = {
    **dict.fromkeys(("string", "str", "text"), "string"),
    **dict.fromkeys(("int", "integer", "long"), "integer"),
    **dict.fromkeys(("float", "double", "number"), "number"),
    **dict.fromkeys(("bool", "boolean"), "boolean"),
    **dict.fromkeys(("list", "array"), "array"),
    **dict.fromkeys(("map", "object"), "object"),
    **dict.fromkeys(("any", "json"), "any"),
}
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def recipe_file(task: Webtask, function: str, around: Surroundings, notes: Notes) -> NewFile | None:
    """The recipe of a task; None with notes if nothing of it can run."""
    names = Names(around.secrets, notes)
    writing = Writing(
        task,
        notes,
        names,
        around,
        {**PAGE_RULES, **DATA_RULES, **CONTROL_RULES},
        to_root="../" * function.count("/"),
    )
    scope = WebtaskScope(names, {one.name: _bound(one) for one in task.inputs}, task.line)
    setup, steps = _setup(writing, scope) if task.setup else (None, [])
    flow, result = _split_return(task.steps)
    steps += writing.block(flow, scope)
    ending: Any = None
    if result is not None:
        ending = value_of(result.parameters.get("value"), scope.at(result.line).resolve)
    elif writing.results:
        ending = {name: f"{{{{ {code} }}}}" for name, code in writing.results.items()}
    if not steps:
        if result is None:
            notes.left_out(task.line, f"the task `{task.name[:80]}` has no step that can run")
            return None
        steps = [{"action": "set", "with": {}}]
    recipe = _recipe(task, names, steps, setup, ending, notes)
    text = yaml_text(recipe, head=f"From {task.path} of webtasks")
    try:
        read_steps(text.encode())
    except StepsFault as fault:
        for one in fault.faults[:5]:
            notes.left_out(task.line, f"the recipe of `{task.name[:80]}` would not load: {one}")
        return None
    return NewFile(f"{function}.yaml", text, task.path)


def _recipe(  # noqa: PLR0917  the parts of one file
    task: Webtask, names: Names, steps: list[Ours], setup: str | None, ending: Any, notes: Notes
) -> Ours:
    recipe: Ours = {}
    if task.description:
        recipe["description"] = task.description
    inputs = {one.name: _input(one, notes) for one in task.inputs if one.name}
    inputs |= {name: {"type": "any", "required": False} for name in names.undeclared}
    if inputs:
        recipe["input"] = inputs
    timeout_s = min(task.time_s, _TIMEOUT_MOST_S)
    recipe["timeout_s"] = int(timeout_s) if timeout_s == int(timeout_s) else timeout_s
    if task.pool != "default":
        recipe["pool"] = task.pool
        notes.differs(task.line, f"the pool `{task.pool[:60]}` must be one of the worker's")
    if names.secrets:
        recipe["secrets"] = list(names.secrets)
    if setup is not None:
        recipe["setup"] = setup
    recipe["steps"] = steps
    if ending is not None:
        recipe["return"] = ending
    return recipe


def _setup(writing: Writing, scope: WebtaskScope) -> tuple[str | None, list[Ours]]:
    """The prelude: the key `setup`, or a first step that gives it the inputs that it shares."""
    task = writing.task
    step = WebtaskStep("call", task.line)
    function = function_of(writing, step, task.setup)
    given = given_to(writing, scope, task.setup)
    if not given:
        return function, []
    name = writing.names.step("setup")
    call = {"name": name, "action": "call", "with": {"function": function, "input": given}}
    return None, [call]


def _split_return(steps: list[WebtaskStep]) -> tuple[list[WebtaskStep], WebtaskStep | None]:
    """The steps, and the `return` at their end, which becomes the recipe's own."""
    if steps and steps[-1].word == "return" and "value" in steps[-1].parameters:
        last = steps[-1]
        if not last.status and not last.record:
            return steps[:-1], last
    return steps, None


def _bound(one: WebtaskInput) -> Bound:
    kind = _TYPES.get(one.type.lower(), "any")
    return Bound(
        member("input", one.name),
        text=kind == "string",
        number=kind in {"integer", "number", "boolean"},
        optional=not one.required and _default(one, kind) is None,
    )


def _input(one: WebtaskInput, notes: Notes) -> Any:
    kind = _TYPES.get(one.type.lower())
    if kind is None:
        notes.differs(one.line, f"`{one.type[:40]}` is no type: `{one.name[:60]}` takes anything")
        kind = "any"
    default = _default(one, kind)
    if default is None and one.default not in (None, "") and kind != "any":
        notes.left_out(one.line, f"the default of `{one.name[:60]}` is no {kind}, and was left out")
    if one.required and default is None and not one.doc:
        return kind
    ours: Ours = {"type": kind}
    if one.required and kind == "string":
        ours["minLength"] = 1
    if default is not None:
        ours["default"] = default
    elif not one.required:
        ours["required"] = False
    if one.doc:
        ours["doc"] = one.doc
    return ours


def _default(one: WebtaskInput, kind: str) -> Any:
    """The default in its type; None without one, or if it is not of the type."""
    value = one.default
    if value is None or (value == "" and one.required):  # to webtasks, empty is missing
        return "" if kind == "string" and not one.required else None
    if kind == "any":
        return value
    if kind == "string":
        return value if isinstance(value, str) else _as_text(value)
    if isinstance(value, str):
        value = _from_text(value.strip(), kind)
    if isinstance(value, bool) is not (kind == "boolean"):
        return None
    if kind == "integer" and isinstance(value, float) and value == int(value):
        return int(value)
    return value if isinstance(value, _JSON_TYPES[kind]) else None


def _from_text(value: str, kind: str) -> Any:
    try:
        if kind == "integer":
            return int(value.replace("_", ""))
        if kind == "number":
            return float(value)
    except ValueError:
        return None
    return {"true": True, "false": False}.get(value.lower()) if kind == "boolean" else None


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def path_of_task(path: str) -> str:
    """The name that a file's own path below `tasks/` gives its task."""
    parts = PurePosixPath(path).with_suffix("").parts
    if "tasks" in parts:
        parts = parts[parts.index("tasks") + 1 :]
    return "/".join(parts)
