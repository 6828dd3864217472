"""Merges the definitions of all files and resolves conflicts. Decides; no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from slotgrid.function_files.faults import BrokenFile
from slotgrid.wire.limits import FUNCTIONS_BYTES, FUNCTIONS_LIMIT
from worker.registry.definitions import (
    FileContents,
    ServiceDefinition,
    TagDefinition,
)
from worker.registry.runnable import Runnable

D = TypeVar("D")


@dataclass(frozen=True)
class LoadedFile:
    """One file's input to `assemble`: its present contents or an error, and the last good contents.

    Either `contents` or `error` is set.
    """

    contents: FileContents | None
    error: str = ""
    last_good: FileContents | None = None


@dataclass(frozen=True)
class Assembly:
    """All definitions of the folder, and its broken files; each sorted by name."""

    functions: Mapping[str, Runnable] = field(default_factory=dict)
    tags: Mapping[str, TagDefinition] = field(default_factory=dict)
    services: Mapping[str, ServiceDefinition] = field(default_factory=dict)
    broken: tuple[BrokenFile, ...] = ()
    good: Mapping[str, FileContents] = field(default_factory=dict)
    """The contents in use, by file."""


def assemble(
    files: Mapping[str, LoadedFile],
    in_use: Mapping[str, FileContents],
    built_in: Mapping[str, Runnable],
) -> Assembly:
    """Merge the files in the order of their names. `in_use`: the contents in use before, by file.

    `built_in` has the functions that no file defines; a file that does is broken.
    If two files define the same tag or service, the first keeps it and the second is broken. If
    two files give the same function, that one keeps the name whose function is in use; if none
    is, both are broken. A broken file keeps its last good contents if these are still valid.
    Functions above the limits of a link, counted in the order of their files, are broken.
    """
    rivals = _rivals(files, in_use)
    chosen: dict[str, FileContents] = {}
    errors: dict[str, str] = {}
    tags: dict[str, TagDefinition] = {}
    services: dict[str, ServiceDefinition] = {}
    for path, file in sorted(files.items()):
        if file.contents is None:
            errors[path] = file.error
        for contents in _preferred(file):
            fault = _taken(contents, tags, services)
            if contents.function is not None:
                fault = fault or rivals.get(path, "")
                if contents.function.spec.name in built_in:
                    fault = f"`{contents.function.spec.name}` is built in; choose another name"
            if fault:
                errors.setdefault(path, fault)
                continue
            chosen[path] = contents
            tags |= {tag.name: tag for tag in contents.tags}
            services |= {service.name: service for service in contents.services}
            break
    functions: dict[str, Runnable] = {}
    for path, contents in chosen.items():
        previous = files[path].last_good
        for function in (contents.function, previous.function if previous else None):
            if function is None:
                break
            if not (fault := _lack(function, services)):
                functions[function.spec.name] = function
                break
            errors.setdefault(path, fault)
    for path, surplus, error in _surplus(chosen, functions, built_in):
        del functions[surplus]
        errors.setdefault(path, error)
    functions |= built_in
    return Assembly(
        functions=_sorted(functions),
        tags=_sorted(tags),
        services=_sorted(services),
        broken=tuple(
            BrokenFile(path=path, error=error, kept_revision=_kept(chosen.get(path), functions))
            for path, error in sorted(errors.items())
        ),
        good=chosen,
    )


def _lack(function: Runnable, services: Mapping[str, ServiceDefinition]) -> str:
    """What the function needs and this worker has not; empty if there is nothing."""
    for name in function.spec.requires:
        if name not in services:
            return f"requires the service `{name}`, which no file defines"
    return function.secrets.fault


def _surplus(
    chosen: Mapping[str, FileContents],
    functions: Mapping[str, Runnable],
    built_in: Mapping[str, Runnable],
) -> list[tuple[str, str, str]]:
    """The file and name of each function above the limits of a link, and the reason."""
    surplus: list[tuple[str, str, str]] = []
    count, size = len(built_in), sum(one.link_bytes for one in built_in.values())
    for path, contents in chosen.items():
        if contents.function is None or contents.function.spec.name not in functions:
            continue
        function = functions[contents.function.spec.name]
        name, bytes_ = function.spec.name, function.link_bytes
        if count == FUNCTIONS_LIMIT:
            error = f"the worker offers {FUNCTIONS_LIMIT} functions already, the most that it can"
            surplus.append((path, name, f"{error}; give this one to a worker of another group"))
        elif size + bytes_ > FUNCTIONS_BYTES:
            error = (
                f"its description and schemas take {bytes_} bytes, where {FUNCTIONS_BYTES - size} "
                f"of the {FUNCTIONS_BYTES} for all functions of a worker are left"
            )
            surplus.append((path, name, f"{error}; make them smaller, or use another group"))
        else:
            count, size = count + 1, size + bytes_
    return surplus


def _rivals(files: Mapping[str, LoadedFile], in_use: Mapping[str, FileContents]) -> dict[str, str]:
    """The files that may not have their function's name, as another file claims it; and why."""
    claims: dict[str, list[str]] = {}
    for path, file in sorted(files.items()):
        contents = next(_preferred(file), None)
        if contents is not None and contents.function is not None:
            claims.setdefault(contents.function.spec.name, []).append(path)
    errors: dict[str, str] = {}
    for name, paths in claims.items():
        keepers = [path for path in paths if path in in_use and in_use[path].function is not None]
        if len(paths) > 1:
            error = f"{' and '.join(paths)} define the same function `{name}`"
            errors |= {path: error for path in paths if path not in keepers}
    return errors


def _preferred(file: LoadedFile) -> Iterator[FileContents]:
    if file.contents is not None:
        yield file.contents
    if file.last_good is not None:
        yield file.last_good


def _taken(
    contents: FileContents,
    tags: Mapping[str, TagDefinition],
    services: Mapping[str, ServiceDefinition],
) -> str:
    """Why the contents conflict with earlier definitions; empty if they do not."""
    known: Sequence[tuple[str, Mapping[str, TagDefinition | ServiceDefinition], Sequence[str]]] = (
        ("tag", tags, [tag.name for tag in contents.tags]),
        ("service", services, [service.name for service in contents.services]),
    )
    for kind, taken, names in known:
        for name in names:
            if name in taken:
                return f"{contents.path} and {taken[name].path} both define the {kind} `{name}`"
    return ""


def _kept(contents: FileContents | None, functions: Mapping[str, Runnable]) -> str | None:
    """The revision that a broken file keeps in use; None if it keeps nothing."""
    if contents is None:
        return None
    function = contents.function
    in_use = functions.get(function.spec.name) if function else None
    if function and in_use is None and not contents.tags and not contents.services:
        return None
    return in_use.spec.revision if in_use else contents.revision


def _sorted(definitions: dict[str, D]) -> dict[str, D]:
    return dict(sorted(definitions.items()))
