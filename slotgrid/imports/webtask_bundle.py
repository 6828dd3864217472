"""A folder of webtasks: its tasks, scripts, pools, mounts and secrets."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from slotgrid.imports.function_names import function_name
from slotgrid.imports.notes import Imported, NewFile, Note, Notes
from slotgrid.imports.recipe_text import yaml_text
from slotgrid.imports.webtask_lines import read_line_tasks
from slotgrid.imports.webtask_model import Webtask
from slotgrid.imports.webtask_recipes import path_of_task, recipe_file
from slotgrid.imports.webtask_settings import mounts_file, pools_file, secrets_file
from slotgrid.imports.webtask_steps import Surroundings
from slotgrid.imports.webtask_values import wrapped
from slotgrid.imports.webtask_yaml import read_yaml_task

SCRIPTS = "scripts"


def import_webtasks(files: Mapping[str, bytes], *, only: str | None = None) -> Imported:
    """The recipes that files of webtasks become. Paths have slashes, and begin at the bundle.

    `only`: the path of the one file that is imported, with the scripts that it names; the others
    say what it calls.
    """
    notes: dict[str, Notes] = {path: Notes(path) for path in files}
    tasks = _tasks(files, notes)
    scripts, copies = _scripts(files, notes)
    secrets, made = _settings(files, notes)
    by_name = {task.name: task for task, _ in tasks}
    around = Surroundings(
        scripts=scripts if scripts or only is None else None,
        tasks=by_name,
        functions={task.name: function for task, function in tasks},
        secrets=secrets,
        is_whole=only is None,
    )
    written: dict[str, NewFile] = {}
    for task, function in tasks:
        if only is not None and task.path != only:
            continue
        file = recipe_file(task, function, around, notes[task.path])
        if file is not None:
            written[file.path] = file
    if only is None:
        written |= {file.path: file for file in [*made, *copies]}
    else:
        texts = [file.text for file in written.values()]
        named = (one for one in copies if any(f"{one.path}" in text for text in texts))
        written |= {file.path: file for file in named}
    kept = [notes[only]] if only is not None and only in notes else list(notes.values())
    found: list[Note] = [note for one in kept for note in one.all()]
    return Imported(tuple(written.values()), tuple(found))


def _tasks(files: Mapping[str, bytes], notes: Mapping[str, Notes]) -> list[tuple[Webtask, str]]:
    """All tasks, with the names of functions that they become."""
    found: list[tuple[Webtask, str]] = []
    taken: dict[str, Webtask] = {}
    for path, data in files.items():
        suffix = PurePosixPath(path).suffix.lower()
        if suffix == ".webtask":
            read = read_line_tasks(path, data, notes[path])
        elif suffix in {".yaml", ".yml"} and not _is_setting(path):
            one = read_yaml_task(path, data, notes[path])
            read = [one] if one is not None else []
        else:
            continue
        for task in read:
            function = function_name(task.name) or function_name(path_of_task(path))
            task.name = task.name or function
            if not function:
                notes[path].left_out(task.line, "the task has no name that a file can have")
            elif (first := taken.get(function.casefold())) is not None:
                notes[path].left_out(
                    task.line,
                    f"the task `{task.name[:80]}` was left out: `{function}.yaml` is made of line "
                    f"{first.line} of {first.path}",
                )
            else:
                taken[function.casefold()] = task
                found.append((task, function))
                if function != task.name:
                    notes[path].differs(
                        task.line, f"the task `{task.name[:80]}` is called `{function}` here"
                    )
    return found


def _scripts(
    files: Mapping[str, bytes], notes: Mapping[str, Notes]
) -> tuple[dict[str, str], list[NewFile]]:
    """The paths of the scripts' copies by their names, and the copies."""
    paths: dict[str, str] = {}
    copies: list[NewFile] = []
    for path, data in files.items():
        parts = PurePosixPath(path).parts
        if PurePosixPath(path).suffix.lower() != ".js" or parts[0] != SCRIPTS:
            continue
        name = "/".join(parts[1:]).removesuffix(".js")
        to = f"{SCRIPTS}/{function_name(name)}.js"
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            notes[path].left_out(1, "the script is not UTF-8")
            continue
        paths[name] = to
        copies.append(NewFile(to, wrapped(text), path))
    return paths, copies


def _settings(
    files: Mapping[str, bytes], notes: Mapping[str, Notes]
) -> tuple[dict[str, str | None], list[NewFile]]:
    """The defaults of declared secrets by their names, and the files of settings."""
    secrets: dict[str, str | None] = {}
    made: list[NewFile] = []
    for path, data in files.items():
        if not _is_setting(path):
            continue
        name = PurePosixPath(path).name
        value: Any
        if name == "secrets.yaml":
            secrets, value = secrets_file(data, notes[path])
            to = "_secrets.yaml"
        elif name == "static-mounts.yaml":
            value, to = mounts_file(data, notes[path]), "_mounts.yaml"
        else:
            value, to = pools_file(data, notes[path]), "_pools.yaml"
        if value:
            setting = to.removeprefix("_").removesuffix(".yaml").upper()
            notes[path].differs(1, f"became `{to}`: name it in `{setting}_FILE`")
            head = f"From {path} of webtasks: a file for {setting}_FILE"
            made.append(NewFile(to, yaml_text(value, head=head), path))
    return secrets, made


def _is_setting(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return parts in {("secrets.yaml",), ("static-mounts.yaml",), ("tasks", "pool.yaml")}


def is_of_webtasks(path: str) -> bool:
    """Whether a file of a folder is one of webtasks': a task, a script or a setting."""
    suffix = PurePosixPath(path).suffix.lower()
    parts = PurePosixPath(path).parts
    if suffix == ".webtask" or _is_setting(path):
        return True
    if suffix == ".js":
        return parts[0] == SCRIPTS
    return suffix in {".yaml", ".yml"} and (len(parts) == 1 or parts[0] == "tasks")
