"""The definitions in a file of the functions folder, and the report of a broken file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from slotgrid.function import ServiceOptions
from slotgrid.function_context import Service
from worker.registry.runnable import Runnable


@dataclass(frozen=True, kw_only=True, eq=False)
class TagDefinition:
    """A named value that the worker publishes: a function with no argument or `NodeFacts`.

    `code` is a reference that keeps the function's imports working.
    """

    name: str
    callable: Callable[..., Any]
    path: str
    revision: str
    code: object = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class ServiceDefinition:
    """A class that the worker starts, probes and stops; a new revision is a new service.

    `code` is a reference that keeps the class's imports working.
    """

    name: str
    factory: Callable[[], Service]
    options: ServiceOptions
    path: str
    revision: str
    code: object = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class FileContents:
    """The definitions of one file. `path` is relative to the folder."""

    path: str
    revision: str
    function: Runnable | None
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
