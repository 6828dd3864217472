"""What files of a workspace of Strøm say: its actions, tasks and triggers, each with its place."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from slotgrid.imports.notes import Notes
from slotgrid.steps.yaml_text import Document, YamlFault, parse

TOP = ("secrets", "connections", "connection_types", "actions", "tasks", "triggers")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_UNITS_S = (86_400, 3600, 60, 1)


@dataclass(frozen=True, slots=True)
class Part:
    """An action, a task or a trigger, and where it stands."""

    name: str
    value: dict[str, Any]
    path: str
    at: str
    document: Document = field(repr=False)

    def line(self, *below: object) -> int:
        """The line of the part, or of what is below it by keys."""
        return self.document.line("".join([self.at, *(f"/{key}" for key in below)]))


@dataclass(slots=True)
class Workspace:
    """All files together: a name is there once. `hooks` are those of every task, by their key."""

    actions: dict[str, Part] = field(default_factory=dict)
    tasks: dict[str, Part] = field(default_factory=dict)
    triggers: dict[str, Part] = field(default_factory=dict)
    hooks: dict[str, Part] = field(default_factory=dict)


def read_workspace(files: Mapping[str, bytes], notes: Mapping[str, Notes]) -> Workspace:
    """The workspace that the files make. Notes say what cannot be read."""
    found = Workspace()
    for path, data in files.items():
        try:
            document = parse(data)
        except YamlFault as fault:
            notes[path].left_out(fault.line, fault.message)
            continue
        if document.value is None:
            continue
        if not isinstance(document.value, dict):
            notes[path].left_out(1, "this is no file of a workspace: it is no mapping")
            continue
        _read(document, path, notes[path], found)
    return found


def _read(document: Document, path: str, notes: Notes, found: Workspace) -> None:
    value = document.value
    for key in value:
        if key in {"on_success", "on_error", "on_cancel", "on_suspended"}:
            part = Part(key, {"hooks": value[key]}, path, "", document)
            if found.hooks.setdefault(key, part) is not part:
                notes.left_out(part.line(key), f"`{key}` is in another file too")
        elif key not in TOP:
            notes.left_out(document.line(f"/{key}"), f"`{key}` is no key of a workspace")
    if value.get("secrets"):
        notes.left_out(
            document.line("/secrets"),
            "secrets are not imported: declare them in `secrets.yaml` of the workers, whose "
            "functions read them",
        )
    for key in ("connections", "connection_types"):
        if value.get(key):
            notes.left_out(
                document.line(f"/{key}"),
                f"`{key}` have no counterpart: functions read their addresses and secrets",
            )
    for key, parts in (
        ("actions", found.actions),
        ("tasks", found.tasks),
        ("triggers", found.triggers),
    ):
        for part in _parts(value.get(key), key, path, document, notes):
            first = parts.setdefault(part.name, part)
            if first is not part:
                notes.left_out(
                    part.line(), f"`{part.name}` is defined in {first.path}:{first.line()} too"
                )


def _parts(given: Any, key: str, path: str, document: Document, notes: Notes) -> Iterator[Part]:
    if given is None:
        return
    if not isinstance(given, dict):
        notes.left_out(document.line(f"/{key}"), f"`{key}` is no mapping")
        return
    for name, value in given.items():
        at = f"/{key}/{name}"
        if isinstance(value, dict):
            yield Part(str(name), value, path, at, document)
        else:
            notes.left_out(document.line(at), f"`{name}` is no mapping")


def seconds(value: Any) -> float | None:
    """The seconds of a duration, such as `1h30m` or 90; None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if value > 0 else None
    if not isinstance(value, str):
        return None
    text = value.replace(" ", "")
    if text.isdecimal():
        return float(text) or None
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return None
    total = sum(int(n) * unit for n, unit in zip(match.groups("0"), _UNITS_S, strict=True))
    return float(total) or None
