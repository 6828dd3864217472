"""The definitions in a file of the functions folder."""

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
    """The definitions of one file. `path` is relative to the folder.

    `is_elsewhere`: it is a function that other nodes run.
    """

    path: str
    revision: str
    function: Runnable | None
    tags: tuple[TagDefinition, ...]
    services: tuple[ServiceDefinition, ...]
    is_elsewhere: bool = False
