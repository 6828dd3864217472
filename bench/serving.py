"""A small aiohttp server on a free port of loopback, as fast as aiohttp can be."""

import asyncio
import json
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop
from aiohttp import web


def serve(
    app: web.Application, *, run: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
) -> None:
    """Print the port on standard output, and serve until SIGTERM; on uvloop by default."""
    run(_serve(app))


async def _serve(app: web.Application) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()
