"""The definitions in a file of the functions folder, and the report of a broken file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from slotgrid.core.spec import FunctionSpec
from slotgrid.function import FunctionOptions, ServiceOptions
from slotgrid.runtime.watchdog import function_task_name
from worker.registry.binding import Binding
from worker.registry.generation import Generation
from worker.registry.sources import Snapshot


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedFunction:
    """A function that is ready to run, in the state of its file at the load.

    Keep a reference while the function runs: it keeps that state of the folder importable.
    `sources` is the text of the function's files, for a child process that must run the same
    code. `link_bytes` is the size of the function's description on a link.
    """

    spec: FunctionSpec
    link_bytes: int
    options: FunctionOptions
    callable: Callable[..., Any]
    is_coroutine: bool
    path: Path
    module: str
    binding: Binding
    secrets: Mapping[str, str] = field(repr=False)
    sources: Snapshot = field(repr=False)
    generation: Generation = field(repr=False)

    @cached_property
    def task_name(self) -> str:
        """The name of the asyncio tasks that run the function."""
        return function_task_name(self.spec.name)

    @cached_property
    def knows_secrets(self) -> bool:
        """Whether the function has secrets or secret inputs, which must be hidden."""
        return self.spec.input.has_secrets or bool(self.secrets)

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments for a valid input. Raises InvalidInput; see `Binding.bind`."""
        return self.binding.bind(given)


@dataclass(frozen=True, kw_only=True, eq=False)
class TagDefinition:
    """A named value that the worker publishes: a function with no argument or `NodeFacts`."""

    name: str
    callable: Callable[..., Any]
    path: str
    revision: str
    generation: Generation = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class ServiceDefinition:
    """A class that the worker starts, probes and stops; a new revision is a new service."""

    name: str
    factory: Callable[[], Any]
    options: ServiceOptions
    path: str
    revision: str
    generation: Generation = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class FileContents:
    """The definitions of one file. `path` is relative to the folder."""

    path: str
    revision: str
    function: LoadedFunction | None
    tags: tuple[TagDefinition, ...]
    services: tuple[ServiceDefinition, ...]


@dataclass(frozen=True, kw_only=True)
class BrokenFile:
    """A file whose present text is unusable, and the reason.

    `kept_revision` is the revision of the last good version, which stays in use; None if there is
    none.
    """

    path: str
    error: str
    kept_revision: str | None

    def to_json(self) -> dict[str, Any]:
        """The file as `/health` shows it."""
        return {"path": self.path, "error": self.error, "kept_revision": self.kept_revision}


class FileFault(ValueError):
    """An unusable file; the text gives the reason in a sentence or two."""
