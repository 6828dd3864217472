"""Serves a worker on its port."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.memory import memory_used_percent
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings
from slotgrid.serving import Stop, listening
from slotgrid.serving import serve as serve_node
from worker.app import Worker


@asynccontextmanager
async def serving(
    settings: Settings,
    *,
    logs: LogRing,
    redactor: Redactor,
    stop: Stop,
    used_percent: Callable[[], float] = memory_used_percent,
) -> AsyncIterator[tuple[Worker, int]]:
    """A worker that listens and accepts tasks, and its port; the worker ends with the block.

    Raises StartFault if the worker cannot listen on its address.
    """
    worker = Worker(
        settings, logs=logs, redactor=redactor, drain=stop.by_caller, used_percent=used_percent
    )
    async with listening(worker) as port:
        yield worker, port


async def serve(settings: Settings, logs: LogRing, redactor: Redactor) -> int:
    """Serve until SIGTERM, SIGINT or `/drain`, then drain; returns the exit status."""
    return await serve_node(
        lambda stop: Worker(settings, logs=logs, redactor=redactor, drain=stop.by_caller),
    )
