"""The parts of a node that handlers use, made in `app.py` and passed in."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from slotgrid.core.admission import Admission
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.node_state import NodeStatus
from slotgrid.core.spec import Catalog
from slotgrid.core.supervisor import Supervisor
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.runtime.logs import LogRing
from slotgrid.tasks.service import TaskService


@dataclass(frozen=True, slots=True)
class Served:
    """The contracts of a group, and the number of workers that serve it.

    `commits` are those that the folders of its workers have checked out. `schedules` is None if
    they cannot be counted, as the database does not answer.
    """

    contracts: Sequence[int]
    workers: int
    commits: Sequence[str] = ()
    schedules: int | None = 0
    hooks: int = 0


class FilesElsewhere(Protocol):
    """Files of tasks on other machines."""

    def open(
        self, worker: str, task_id: str, name: str
    ) -> AbstractAsyncContextManager[tuple[int | None, AsyncIterator[bytes]]]:
        """The file's size, if known, and its pieces. Raises Gone if it was lost with its worker."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """The parts of a node that answer requests.

    `health` returns the part of `GET /health` that needs a key; `metrics` the Prometheus text and
    its content type. `drain` starts a drain with a deadline in seconds (None: the setting).
    `files_elsewhere` opens the files that are not in `artifacts` (None: there are none). `groups`
    returns the served groups by name (None: this node serves its own only). `commit` returns the
    Git commit of this node's functions.
    """

    name: str
    group: str
    contract: int
    status: NodeStatus
    catalog: Catalog
    admission: Admission
    dispatcher: Dispatcher
    supervisor: Supervisor
    tasks: TaskService
    artifacts: ArtifactStore
    logs: LogRing
    health: Callable[[], Mapping[str, Any]]
    metrics: Callable[[], tuple[bytes, str]]
    drain: Callable[[float | None], None]
    files_elsewhere: FilesElsewhere | None = None
    groups: Callable[[], Awaitable[Mapping[str, Served]]] | None = None
    commit: Callable[[], str | None] = lambda: None


NODE = web.AppKey("node", Node)
