"""Serves a balancer on its port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from balancer.app import Balancer
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings
from slotgrid.serving import Stop, listening
from slotgrid.serving import serve as serve_node


@asynccontextmanager
async def serving(
    settings: Settings, *, logs: LogRing, redactor: Redactor, stop: Stop
) -> AsyncIterator[tuple[Balancer, int]]:
    """A balancer that listens and accepts tasks, and its port; everything ends with the block.

    Raises StartFault if the node cannot listen on its port.
    """
    balancer = Balancer(settings, logs=logs, redactor=redactor, drain=stop.by_caller)
    async with listening(balancer) as port:
        yield balancer, port


async def serve(settings: Settings, logs: LogRing, redactor: Redactor) -> int:
    """Serve until SIGTERM, SIGINT or `/drain`, then drain; returns the exit status."""
    return await serve_node(
        lambda stop: Balancer(settings, logs=logs, redactor=redactor, drain=stop.by_caller),
    )
