"""The child processes of plain functions: started on demand, kept between tasks."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import structlog

from slotgrid.function import Context
from worker.plain.child_process import ChildProcess
from worker.plain.messages import Run
from worker.registry.python.function import PythonFunction

IDLE_S = 300.0
"""How long an idle process is kept: a new start costs some 200 ms."""

log = structlog.get_logger()


class PlainProcesses:
    """Runs plain functions, each in a process that has loaded only that function.

    At most `limit` processes run; an idle process is evicted for a new one. After a run with new
    code was requested, processes with the old code end as soon as they are idle.
    """

    def __init__(self, *, limit: int, idle_s: float = IDLE_S) -> None:
        self._limit = limit
        self._idle_s = idle_s
        self._places = asyncio.Semaphore(limit)
        self._busy = 0
        self._children: set[ChildProcess] = set()
        self._idle: dict[ChildProcess, asyncio.TimerHandle] = {}
        self._revisions: dict[str, str] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """End every process at the end of the block."""
        try:
            yield
        finally:
            for child in list(self._children):
                self._retire(child)
            if self._ending:
                await asyncio.wait(self._ending)

    @property
    def pids(self) -> tuple[int, ...]:
        """The ids of all processes, busy and idle."""
        return tuple(child.pid for child in self._children)

    async def run(
        self, function: PythonFunction, context: Context, filled: Mapping[str, Any]
    ) -> Any:
        """Run the function with a valid input; a cancel kills its process group at once.

        Raises RemoteError for an exception of the function, OutputInvalid for a result that is not
        JSON, InvalidInput, and FunctionFailed if its process died or cannot load the function.
        """
        name, revision = function.spec.name, function.spec.revision
        self._revisions[name] = revision
        async with self._place():
            child = self._take(function) or await self._start(function)
            try:
                return await child.run(
                    context,
                    Run(
                        task_id=context.task_id,
                        attempt=context.attempt,
                        remaining_s=context.deadline.remaining_s,
                        secrets=dict(context.secrets),
                        input=msgspec.json.encode(filled),
                    ),
                )
            finally:
                if child.fit and self._revisions[name] == revision:
                    self._keep(child)
                else:
                    await self._end(child)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """The right to keep one process busy."""
        async with self._places:
            self._busy += 1
            try:
                yield
            finally:
                self._busy -= 1

    def _take(self, function: PythonFunction) -> ChildProcess | None:
        """The last used idle process of that function, or None; retires those with old code."""
        found = None
        for child in list(self._idle):
            if child.function.spec.name != function.spec.name:
                continue
            if child.function.spec.revision != function.spec.revision:
                self._retire(child)
            else:
                found = child
        if found is not None:
            self._idle.pop(found).cancel()
        return found

    async def _start(self, function: PythonFunction) -> ChildProcess:
        if self._busy + len(self._idle) > self._limit:
            self._retire(next(iter(self._idle)))  # the longest idle
        child = await ChildProcess.start(function)
        self._children.add(child)
        log.info("plain.started", function=function.spec.name, pid=child.pid)
        return child

    def _keep(self, child: ChildProcess) -> None:
        loop = asyncio.get_running_loop()
        self._idle[child] = loop.call_later(self._idle_s, self._retire, child)

    def _retire(self, child: ChildProcess) -> None:
        """Kill the process now, and clean up in the background."""
        child.kill()
        if (timer := self._idle.pop(child, None)) is not None:
            timer.cancel()
        task = asyncio.create_task(self._end(child), name="plain-end")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, child: ChildProcess) -> None:
        self._children.discard(child)
        await child.end()
