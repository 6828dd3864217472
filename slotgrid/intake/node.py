"""What every handler works on: the parts of one node, made in `app.py` and passed in."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from slotgrid.core.admission import Admission
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.node import NodeStatus
from slotgrid.core.spec import Catalog
from slotgrid.core.supervisor import Supervisor
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.runtime.logs import LogRing
from slotgrid.tasks.service import TaskService


@dataclass(frozen=True, slots=True)
class Served:
    """How a group is served: its contracts, and by how many workers."""

    contracts: Sequence[int]
    workers: int


class FilesElsewhere(Protocol):
    """Files of tasks that lie on other machines."""

    def open(
        self, worker: str, task_id: str, name: str
    ) -> AbstractAsyncContextManager[tuple[int | None, AsyncIterator[bytes]]]:
        """Its size, if known, and its pieces. Raises Gone when the file went with its worker."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """The parts of a node that answer requests.

    `health` gives what a key may see of `GET /health`; `metrics` the Prometheus text and its
    content type; `drain` begins to drain within so many seconds (None: the setting);
    `files_elsewhere` finds the files that are not in `artifacts`, where there are any; `groups`
    tells who serves which group (None: this node serves its own).
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
    groups: Callable[[], Mapping[str, Served]] | None = None


NODE = web.AppKey("node", Node)
