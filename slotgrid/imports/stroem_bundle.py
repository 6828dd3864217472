"""A workspace of Strøm: its tasks as flows, its triggers as schedules and hooks."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from slotgrid.imports.function_names import function_name
from slotgrid.imports.notes import Imported, NewFile, Notes
from slotgrid.imports.recipe_text import yaml_text
from slotgrid.imports.stroem_actions import Around
from slotgrid.imports.stroem_flows import flow_files
from slotgrid.imports.stroem_model import Part, Workspace, read_workspace
from slotgrid.imports.stroem_triggers import given_by, hook_of, schedule_of

WORKFLOWS = ".workflows"


def import_stroem(files: Mapping[str, bytes]) -> Imported:
    """The flows, schedules and hooks of the workflow files of one workspace, by their paths."""
    notes = {path: Notes(path) for path in files}
    workspace = read_workspace(files, notes)
    functions = _functions(workspace, notes)
    webhooks = [one for one in workspace.triggers.values() if one.value.get("type") == "webhook"]
    given: dict[str, list[str]] = {}
    for trigger in webhooks:
        given.setdefault(str(trigger.value.get("task")), []).extend(given_by(trigger))
    around = Around(
        workspace,
        functions,
        by_hook=frozenset(str(one.value.get("task")) for one in webhooks),
        given=given,
    )
    written: dict[str, NewFile] = {}
    made: dict[str, str] = {}
    for task in workspace.tasks.values():
        if task.name not in functions:
            continue
        for file in flow_files(task, around, notes[task.path]):
            written[file.path] = file
            made[task.name] = functions[task.name]
    written |= _settings(workspace, made, notes)
    found = [note for one in notes.values() for note in one.all()]
    return Imported(tuple(written.values()), tuple(found))


def is_of_stroem(path: str) -> bool:
    """Whether a file of a workspace is a workflow file."""
    parts = PurePosixPath(path).parts
    if PurePosixPath(path).suffix.lower() not in {".yaml", ".yml"}:
        return False
    return WORKFLOWS in parts or not any(part.startswith(".") for part in parts)


def _functions(workspace: Workspace, notes: Mapping[str, Notes]) -> dict[str, str]:
    """The flow's name of each task that can have one."""
    functions: dict[str, str] = {}
    taken: dict[str, Part] = {}
    for task in workspace.tasks.values():
        folder = task.value.get("folder")
        name = f"{folder}/{task.name}" if isinstance(folder, str) else task.name
        function = function_name(name)
        if not function:
            notes[task.path].left_out(task.line(), "the task has no name that a file can have")
        elif (first := taken.get(function.casefold())) is not None:
            notes[task.path].left_out(
                task.line(),
                f"the task `{task.name}` was left out: `{function}.yaml` is made of `{first.name}`",
            )
        else:
            taken[function.casefold()] = task
            functions[task.name] = function
            if function != task.name:
                notes[task.path].differs(
                    task.line(), f"the task `{task.name}` is called `{function}` here"
                )
    return functions


def _settings(
    workspace: Workspace, functions: Mapping[str, str], notes: Mapping[str, Notes]
) -> dict[str, NewFile]:
    """The files of schedules and hooks; both begin with `_`, as they are no functions."""
    schedules: dict[str, dict[str, Any]] = {}
    hooks: dict[str, dict[str, Any]] = {}
    sources: dict[str, str] = {}
    for trigger in workspace.triggers.values():
        of_file = notes[trigger.path]
        kind = trigger.value.get("type")
        if kind == "scheduler":
            one, entries, to = schedule_of(trigger, functions, of_file), schedules, "schedules"
        elif kind == "webhook":
            one, entries, to = hook_of(trigger, functions, of_file), hooks, "hooks"
        else:
            of_file.left_out(
                trigger.line("type"), f"the trigger `{trigger.name}` of the type `{kind}`"
            )
            continue
        if one is None:
            continue
        if one["name"] in entries:
            of_file.left_out(trigger.line(), f"the name `{one['name']}` is taken")
            continue
        entries[one["name"]] = one
        if to not in sources:
            sources[to] = trigger.path
            of_file.differs(trigger.line(), f"became `_{to}.yaml`: name it in `{to.upper()}_FILE`")
    written = {}
    for to, entries in (("schedules", schedules), ("hooks", hooks)):
        if entries:
            head = f"From triggers of Strøm: a file for {to.upper()}_FILE"
            text = yaml_text(list(entries.values()), head=head)
            written[f"_{to}.yaml"] = NewFile(f"_{to}.yaml", text, sources[to])
    return written
