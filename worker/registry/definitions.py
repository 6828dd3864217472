"""What a file of the functions folder defines, and what can be said of one that is broken."""

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
    """A function that is ready to run, as its file was when it was loaded.

    Hold it for as long as the function runs: it keeps that state of the folder importable.
    `sources` is the text it was made of, for a child process that must run the same. `link_bytes`
    is the size of its description on a link.
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
        """The name of the asyncio tasks that it runs in."""
        return function_task_name(self.spec.name)

    @cached_property
    def knows_secrets(self) -> bool:
        """Whether anything that it is given has to be hidden."""
        return self.spec.input.has_secrets or bool(self.secrets)

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments for a valid input. Raises InvalidInput; see `Binding.bind`."""
        return self.binding.bind(given)


@dataclass(frozen=True, kw_only=True, eq=False)
class TagDefinition:
    """A named value that the worker publishes: a function of no argument, or of `NodeFacts`."""

    name: str
    callable: Callable[..., Any]
    path: str
    revision: str
    generation: Generation = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class ServiceDefinition:
    """A class to be started, watched and stopped; another revision is another service."""

    name: str
    factory: Callable[[], Any]
    options: ServiceOptions
    path: str
    revision: str
    generation: Generation = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class FileContents:
    """All that one file defines. `path` is relative to the folder."""

    path: str
    revision: str
    function: LoadedFunction | None
    tags: tuple[TagDefinition, ...]
    services: tuple[ServiceDefinition, ...]


@dataclass(frozen=True, kw_only=True)
class BrokenFile:
    """A file that cannot be used as it is, and why.

    `kept_revision` is that of the last good version, which goes on being used; None if there
    is none.
    """

    path: str
    error: str
    kept_revision: str | None

    def to_json(self) -> dict[str, Any]:
        """The file as `/health` shows it."""
        return {"path": self.path, "error": self.error, "kept_revision": self.kept_revision}


class FileFault(ValueError):
    """Why a file cannot be used, in a sentence or two."""
