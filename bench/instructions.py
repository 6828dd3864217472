"""`python -m bench.instructions`: counts the interpreter's work for one task without a browser.

Bytecode instructions by module, compared with the bare echo. Unlike time, they are the same on a
busy machine, so they are the figure to watch while the path is optimized. No socket is opened:
requests are handed to aiohttp's protocol, as a transport would.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import uvloop
from aiohttp import web

from bench.echo import echo
from bench.load import submit
from bench.no_browser import VALUE
from bench.processes import KEY
from slotgrid.core.node_state import NodeState
from slotgrid.runtime.logs import LogRing, configure_logs
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.setting_choices import LogFormat, LogLevel
from slotgrid.runtime.settings import Settings
from worker.app import Worker

ROOT = Path(__file__).parent.parent
HERE = f"{ROOT}/"
WARM_UP = 300
REQUESTS = 100
SHOWN = 25


class Pipe(asyncio.Transport):
    """A transport without a peer; it sets an event when an answer is written."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = asyncio.Event()

    def write(self, data: Any) -> None:
        assert bytes(data).startswith(b"HTTP/1.1 200 OK"), data
        self.answered.set()

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Do nothing: there is no connection."""


async def ask(runner: web.AppRunner, requests: int) -> None:
    """Send the same request `requests` times, on one connection."""
    request = submit("echo", {"value": VALUE})
    assert runner.server is not None
    pipe, protocol = Pipe(), runner.server()
    protocol.connection_made(pipe)
    for _ in range(requests):
        pipe.answered.clear()
        protocol.data_received(request)
        await pipe.answered.wait()


async def counted(app: web.Application) -> Counter[str]:
    """Instructions by module, for all of `REQUESTS`."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await ask(runner, WARM_UP)
    counts: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            counts[frame.f_code.co_filename] += 1
        return trace

    sys.settrace(trace)
    await ask(runner, REQUESTS)
    sys.settrace(None)
    await runner.cleanup()
    return counts


async def run(folder: str, logs: LogRing, redactor: Redactor) -> None:
    """Count worker and echo, and print the difference."""
    functions = str(ROOT / "bench" / "functions")
    environ = {"AUTH_KEY": KEY, "DATA_DIR": folder, "FUNCTIONS_DIR": functions, "SLOTS": "4"}
    settings = Settings.from_env(environ)
    worker = Worker(settings, logs=logs, redactor=redactor, drain=lambda _: None)
    await worker.registry.load()
    worker.status.move_to(NodeState.READY)
    ours = worker.application()
    ours.cleanup_ctx.clear()  # no browser: the task needs none
    bare = web.Application()
    bare.add_routes([web.post("/task", echo)])
    with_us, without = await counted(ours), await counted(bare)
    print(f"a task {with_us.total() // REQUESTS}, the echo {without.total() // REQUESTS}\n")
    more = Counter({name: count - without[name] for name, count in with_us.items()})
    for name, count in more.most_common(SHOWN):
        print(f"{count // REQUESTS:6} {short(name)}")


def short(file: str) -> str:
    """The file's name below the project or its packages."""
    return file.rpartition("site-packages/")[2].removeprefix(HERE)


def main(count: Callable[[str, LogRing, Redactor], Coroutine[Any, Any, None]]) -> None:
    """Count in a temporary folder, and discard the log."""
    redactor = Redactor([KEY])
    with (
        TemporaryDirectory() as folder,
        Path(os.devnull).open("w") as stream,
        configure_logs(
            level=LogLevel.INFO,
            log_format=LogFormat.JSON,
            ring_size=1000,
            stream=stream,
            redactor=redactor,
        ) as logs,
    ):
        uvloop.run(count(folder, logs, redactor))


if __name__ == "__main__":
    main(run)
