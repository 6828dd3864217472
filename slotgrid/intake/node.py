"""What every handler works on: the parts of one node, made in `app.py` and passed in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from slotgrid.core.admission import Admission
from slotgrid.core.dispatcher import Dispatcher
from slotgrid.core.node import NodeStatus
from slotgrid.core.spec import Catalog
from slotgrid.core.supervisor import Supervisor
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.durable import DurableTasks
from slotgrid.records.history import History
from slotgrid.records.keyed import KeyedTasks
from slotgrid.records.ledger import Ledger
from slotgrid.runtime.logs import LogRing


@dataclass(frozen=True, kw_only=True)
class Node:
    """The parts of a node that answer requests.

    `health` gives what a key may see of `GET /health`; `metrics` the Prometheus text and its
    content type; `drain` begins to drain within so many seconds (None: the setting).
    """

    name: str
    group: str
    contract: int
    status: NodeStatus
    catalog: Catalog
    admission: Admission
    dispatcher: Dispatcher
    supervisor: Supervisor
    history: History
    keyed: KeyedTasks
    ledger: Ledger
    durable: DurableTasks | None
    artifacts: ArtifactStore
    logs: LogRing
    health: Callable[[], Mapping[str, Any]]
    metrics: Callable[[], tuple[bytes, str]]
    drain: Callable[[float | None], None]
    refused: Callable[[str], None]


NODE = web.AppKey("node", Node)
