"""Serves any kind of node on its port, from ready to drained."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import structlog
from aiohttp import web

from slotgrid.core.drain import drain
from slotgrid.core.task import Task
from slotgrid.intake.server_connections import NodeRunner
from slotgrid.node.process import NodeProcess
from slotgrid.runtime.background import stop_on_death
from slotgrid.runtime.gc_thresholds import freeze_startup_objects
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.server_sockets import bind, refused
from slotgrid.runtime.settings import Settings

log = structlog.get_logger()

CLOSE_CONNECTIONS_S = 2.0
"""Time limit for open connections at the end, when every task has its response."""
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""SIGHUP too: closing the terminal must drain the node, as Ctrl-C does."""


def on_ending(loop: asyncio.AbstractEventLoop, act: Callable[[str], None]) -> None:
    """Call `act` with the reason at each signal that ends the process.

    A signal that was ignored at the start (`nohup`) stays ignored.
    """
    for name in ENDING:
        if signal.getsignal(name) is not signal.SIG_IGN:
            loop.add_signal_handler(name, act, f"signal {name.name}")


class MakeNode(Protocol):
    """The class of a node: `worker.app.Worker` or `balancer.app.Balancer`."""

    kind: str

    def __call__(
        self,
        settings: Settings,
        *,
        logs: LogRing,
        redactor: Redactor,
        drain: Callable[[float | None], None],
    ) -> NodeProcess:
        """Make the node; see `NodeProcess`."""


class Stop:
    """A request to stop serving; only the first request counts."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.deadline_s: float | None = None
        self.reason = ""

    def ask(self, reason: str, deadline_s: float | None = None) -> None:
        """Request a drain within `deadline_s`; None means the setting."""
        if self._asked.is_set():
            return
        self.reason, self.deadline_s = reason, deadline_s
        self._asked.set()

    def by_caller(self, deadline_s: float | None) -> None:
        """Request a drain for `POST /drain`."""
        self.ask("a caller asked for it", deadline_s)

    async def wait(self) -> None:
        """Wait for a request."""
        await self._asked.wait()


@asynccontextmanager
async def listening(node: NodeProcess) -> AsyncIterator[int]:
    """Run the node during the block; yields its port once the node accepts tasks.

    The port is bound first, so that no browser is started in vain. Raises StartFault if the port
    is not available.
    """
    sockets = bind(node.settings.host, node.settings.port)
    runner = NodeRunner(node.application(), shutdown_timeout_s=CLOSE_CONNECTIONS_S)
    try:
        await runner.setup()
        for one in sockets:
            await _listen(runner, one)
        await node.get_ready()
        yield sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()
        for one in sockets:
            one.close()


async def _listen(runner: web.AppRunner, bound: socket.socket) -> None:
    try:
        await web.SockSite(runner, bound).start()
    except OSError as error:  # another node bound the port at the same time
        host, port = bound.getsockname()[:2]
        raise refused(host, port, error) from error


async def serve(make: MakeNode, settings: Settings, *, logs: LogRing, redactor: Redactor) -> int:
    """Serve until SIGTERM, SIGINT or `/drain`, then drain; returns the exit status."""
    stop, loop = Stop(), asyncio.get_running_loop()
    deaths: list[str] = []

    def died(reason: str) -> None:
        deaths.append(reason)
        stop.ask(reason)

    on_ending(loop, stop.ask)
    stop_on_death(died)
    node = make(settings, logs=logs, redactor=redactor, drain=stop.by_caller)
    kind = node.kind
    async with listening(node) as port:
        freeze_startup_objects()
        log.info(f"{kind}.listening", host=settings.host, port=port, name=settings.node_name)
        await stop.wait()
        deadline_s = settings.drain_s if stop.deadline_s is None else stop.deadline_s
        log.info(f"{kind}.draining", reason=stop.reason, deadline_s=deadline_s)
        on_ending(loop, node.cancel_everything)  # a second signal cancels all tasks
        report = await drain(
            node.status,
            node.supervisor,
            deadline_s=deadline_s,
            on_end=_log_outcome,
            release=node.durability.tasks.release_queued,
        )
        log.info(f"{kind}.drained", **report.outcomes, cancelled_late=list(report.cancelled))
    log.info(f"{kind}.ended", reason=stop.reason)
    return 1 if deaths else 0


def _log_outcome(task: Task) -> None:
    log.info("drain.outcome", task_id=task.id, function=task.spec.name, outcome=task.state)
