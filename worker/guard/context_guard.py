"""The guard of one browser context: its port, its connections, and the task that they belong to."""

import asyncio
from collections.abc import Callable

from slotgrid.core.task_parts import Traffic
from worker.browser.context_proxy import ProxyOwner
from worker.guard.connection import Connection
from worker.guard.descriptors import DescriptorShare
from worker.guard.requests import Request
from worker.guard.routes import Route
from worker.guard.rules import Refused, Rules
from worker.guard.streams import Stream

BACKLOG = 256
MAX_CONNECTIONS = 512
"""Connections of one context; Chromium itself opens 32 to a proxy, and 255 WebSockets."""

MAX_REPORTS = 100
"""Refusals of a task that are logged."""


class TaskConnections:
    """What one task did with a context: its traffic, and what was refused."""

    def __init__(self, owner: ProxyOwner | None, limit: int | None) -> None:
        self.owner = owner
        self.traffic = Traffic()
        self.first_refusal: tuple[Request, Refused] | None = None
        self.exceeded = False
        self._limit = limit
        self._asked = False
        self._reported: set[tuple[str, str]] = set()

    def add(self, *, received: int = 0, sent: int = 0) -> None:
        """Count bytes. Above the limit, notify the owner once."""
        traffic = self.traffic
        traffic.received_bytes += received
        traffic.sent_bytes += sent
        limit = self._limit
        if limit is not None and not self.exceeded and traffic.total_bytes > limit:
            self.exceeded = True
            if self.owner is not None:
                self.owner.traffic_exceeded(limit)

    def connected(self, upstream: Stream) -> None:
        """Count a connection to a target."""
        self._asked = True
        self.traffic.connections += 1
        upstream.meter = self

    def refused(self, request: Request, refused: Refused) -> bool:
        """Keep the refusal if it is the first of all; whether it is worth a line in a log.

        That is the first of each host and rule, up to MAX_REPORTS: a page may try without end.
        """
        if not self._asked:
            self._asked, self.first_refusal = True, (request, refused)
        key = refused.target.host, refused.rule
        if key in self._reported or len(self._reported) >= MAX_REPORTS:
            return False
        self._reported.add(key)
        if self.owner is not None:
            self.owner.target_refused(f"refused {refused.address} of {refused}")
        return True


class ContextGuard:
    """Fulfils `ContextProxy`: a forward proxy on a port of its own.

    `on_refused` gets each refusal, the task's id, and whether it is worth a line in a log.
    `limit`: bytes that a task may move. `descriptors`: shared by all contexts.
    """

    def __init__(
        self,
        rules: Rules,
        route: Route,
        on_refused: Callable[[Refused, str | None, bool], None],
        *,
        limit: int | None = None,
        descriptors: DescriptorShare | None = None,
    ) -> None:
        self._rules = rules.with_exceptions(self._allows)
        self._route = route
        self._on_refused = on_refused
        self._limit = limit
        self._descriptors = descriptors or DescriptorShare()
        self._task = TaskConnections(None, limit)
        self._port = 0
        self._listener: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], Connection] = {}
        self._seen: dict[Connection, int] = {}

    async def open(self) -> None:
        """Listen on a free port of 127.0.0.1. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._accept, "127.0.0.1", 0, backlog=BACKLOG)
        self._port = self._listener.sockets[0].getsockname()[1]
        self._rules.own_ports.add(self._port)

    @property
    def server(self) -> str:
        """The proxy for the context, `http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def connections(self) -> int:
        """The open connections of the browser."""
        return len(self._serving)

    @property
    def traffic(self) -> Traffic:
        """What the task has moved since its `bind`."""
        return self._task.traffic

    def refused_navigation(self, *, failed: bool) -> str | None:
        """Why the task's first navigation was refused, as a sentence; None if it was not.

        The purpose of a tunnel is unknown: it counts if the function `failed`.
        """
        if self._task.first_refusal is None:
            return None
        request, refused = self._task.first_refusal
        return str(refused) if request.navigates or (request.is_tunnel and failed) else None

    def bind(self, owner: ProxyOwner) -> None:
        """Cut the connections of an earlier task; later ones belong to `owner`."""
        self._cut()
        self._task = TaskConnections(owner, self._limit)

    def unbind(self) -> None:
        """Cut every connection; later ones belong to no task."""
        self._cut()
        self._task = TaskConnections(None, self._limit)

    def close(self) -> None:
        """Cut every connection and free the port. Does not raise."""
        if self._listener is not None:
            self._listener.close()
            self._rules.own_ports.discard(self._port)
        self._cut()

    def cut_idle(self) -> None:
        """Cut the connections on which nothing has moved since the last call."""
        seen = {connection: connection.received for connection in self._serving.values()}
        for connection, received in seen.items():
            if self._seen.get(connection) == received:
                connection.cut()
        self._seen = seen

    def refused(self, request: Request, refused: Refused) -> None:
        """Keep and report a refusal."""
        is_new = self._task.refused(request, refused)
        owner = self._task.owner
        self._on_refused(refused, None if owner is None else owner.task_id, is_new)

    def connected(self, upstream: Stream) -> None:
        """Count a connection to a target."""
        self._task.connected(upstream)

    def _accept(self) -> asyncio.Protocol:
        held = len(self._serving)
        if held >= MAX_CONNECTIONS or not self._descriptors.allows_one_more(held):
            return _Surplus()
        stream = Stream(may_stay=lambda number: not self._descriptors.exceeded_by(number))
        connection = Connection(stream, self._rules, self._route, self)
        serving = asyncio.get_running_loop().create_task(connection.serve(), name="guard")
        self._serving[serving] = connection
        self._descriptors.add()
        serving.add_done_callback(self._ended)
        return stream

    def _allows(self, host: str, port: int) -> bool:
        owner = self._task.owner
        return owner is not None and owner.allows(host, port)

    def _ended(self, serving: asyncio.Task[None]) -> None:
        self._serving.pop(serving, None)
        self._descriptors.remove()

    def _cut(self) -> None:
        for serving, connection in self._serving.items():
            connection.cut()
            serving.cancel()
        self._serving.clear()


class _Surplus(asyncio.Protocol):
    """A connection above the limit: it ends at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
