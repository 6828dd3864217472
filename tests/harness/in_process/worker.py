"""A whole worker in this process: real HTTP on a free port, real Chromium, and nothing left after.

Every test that uses it ends in its check: slots, leases, contexts, attempts, processes and
temporary files are all given back, and nothing failed unseen.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import psutil
from aiohttp import ClientSession

from slotgrid.core.event_log import Reader
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from slotgrid.node.serving import Stop, listening
from slotgrid.records.history import TaskFilter
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings
from tests.harness.calls import IN_PROCESS_STALL_S, Answer, Calls, a_caller
from tests.harness.environment import KEY, LOOPBACK, NO_CHROMIUM
from tests.harness.in_process.logs import node_logs
from tests.harness.waiting import until
from tests.worker.registry.conftest import Folder
from worker.app import Worker

GIVE_UP_S = 60.0


@dataclass(frozen=True)
class Submitted:
    """A task under way, and the answer that its caller is going to get."""

    task: Task
    answering: asyncio.Task[Answer]

    async def answer(self) -> Answer:
        async with asyncio.timeout(GIVE_UP_S):
            return await self.answering

    async def result(self) -> Any:
        answer = await self.answer()
        assert answer.status == 200, answer.body
        return answer.json["result"]

    async def problem(self, status: int) -> Any:
        answer = await self.answer()
        assert answer.status == status, answer.body
        return answer.json

    async def says(self, kind: str) -> Any:
        """The payload of its first event of that kind, as soon as it has said it."""
        async with asyncio.timeout(GIVE_UP_S), Reader(self.task.events) as reader:
            while (event := await reader.next()) is not None:
                if event.kind == kind:
                    return orjson.loads(event.payload)
        raise AssertionError(f"the task ended without saying {kind}")

    async def ended(self) -> TaskState:
        async with asyncio.timeout(GIVE_UP_S):
            await self.task.wait_finished()
        return self.task.state

    async def hang_up(self) -> None:
        """Close the connection before the answer."""
        self.answering.cancel()
        await asyncio.wait({self.answering})


@dataclass(frozen=True)
class RunningWorker(Calls):
    """A worker that listens at `url`, and a caller that has its key."""

    url: str
    worker: Worker
    folder: Folder
    caller: ClientSession
    logs: LogRing
    redactor: Redactor
    _answering: set[asyncio.Task[Answer]] = field(default_factory=set)

    async def problem(self, function: str, status: int = 500, **given: Any) -> Any:
        """The problem of a task that does not."""
        answer = await self.submit(function, input=given)
        assert answer.status == status, answer.body
        return answer.json

    async def start(
        self, function: str, *, fields: Mapping[str, Any] | None = None, **given: Any
    ) -> Submitted:
        """A task that has been accepted; its caller waits for the answer."""
        mark = {"mark": uuid4().hex}
        request = self.submit(function, input=given, metadata=mark, **(fields or {}))
        answering = asyncio.create_task(request, name=f"caller of {function}")
        self._answering.add(answering)
        answering.add_done_callback(self._answering.discard)

        def found() -> Task | None:
            of_function = TaskFilter(function=function)
            tasks = self.worker.history.matching(of_function)
            return next((task for task in tasks if task.submission.metadata == mark), None)

        await until(lambda: found() is not None or answering.done(), GIVE_UP_S)
        task = found()
        assert task is not None, await answering
        return Submitted(task, answering)

    async def task(self, task_id: str) -> Any:
        """The record of a task."""
        return (await self.get(f"/tasks/{task_id}"))["task"]

    async def log_of(self, task_id: str) -> str:
        """The lines of a task's log, one below the other."""
        answer = await self.request("GET", f"/tasks/{task_id}/logs")
        return "\n".join(orjson.loads(line)["line"] for line in answer.body.splitlines())

    async def artifact(self, task_id: str, name: str) -> bytes:
        answer = await self.request("GET", f"/tasks/{task_id}/artifacts/{name}")
        assert answer.status == 200, answer.body
        return answer.body

    async def changed(self, holds: Callable[[], bool]) -> None:
        """Return when the registry has seen a change of the folder that makes `holds` true."""
        await until(holds, GIVE_UP_S)

    async def reload(self) -> None:
        """Have the registry read the folder now."""
        await self.worker.registry.load()

    def events_logged(self, event: str) -> list[dict[str, Any]]:
        """The worker's log lines of that event."""
        return [line for line in self.logs.entries() if line["event"] == event]

    async def idle(self) -> None:
        """Return when no task is live; assert that everything they had is back."""
        worker = self.worker
        async with asyncio.timeout(GIVE_UP_S):
            await worker.supervisor.wait_idle()
        # A context whose task was cancelled while it opened is closed a moment later.
        await until(lambda: worker.browsers.stats().contexts_in_use == 0)
        await until(lambda: worker.persistent.contexts_in_use == 0)
        assert worker.slots.used == 0
        assert worker.dispatcher.leased == 0
        assert worker.dispatcher.waiting == 0
        assert worker.runner.attempts == 0
        assert worker.health.mismatch() == 0

    async def end(self) -> None:
        """Cancel what still runs, and assert that it leaves nothing."""
        self.worker.cancel_everything("the test is over")
        await self.idle()
        for answering in list(self._answering):
            answering.cancel()
        if self._answering:
            await asyncio.wait(self._answering)


@asynccontextmanager
async def running_worker(
    tmp_path: Path,
    functions: Mapping[str, str] | Path,
    *,
    # Others use this machine too: how full it is is no matter of a test that does not ask.
    used_percent: Callable[[], float] = lambda: 50.0,
    **env: object,
) -> AsyncIterator[RunningWorker]:
    """A worker that is ready, with these functions: texts by file, or a folder of files.

    `env` are settings by their environment names.
    """
    before = _children()
    folder = Folder(functions if isinstance(functions, Path) else tmp_path / "functions")
    folder.path.mkdir(exist_ok=True)
    if not isinstance(functions, Path):
        for name, text in functions.items():
            folder.write(name, text)
    settings = Settings.from_env(
        {
            "PORT": "0",
            "SLOTS": "2",
            "AUTH_KEY": KEY,
            "NODE_NAME": "test-worker",
            "FUNCTIONS_DIR": str(folder.path),
            "DATA_DIR": str(tmp_path / "data"),
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "json",
            "LOOP_STALL_S": IN_PROCESS_STALL_S,
            **LOOPBACK,
            **{name: str(value) for name, value in env.items()},
        }
    )
    redactor = Redactor([settings.auth_key])
    with node_logs(settings, redactor) as logs:
        worker = Worker(
            settings,
            logs=logs,
            redactor=redactor,
            drain=Stop().by_caller,
            used_percent=used_percent,
        )
        async with listening(worker) as port:
            url = f"http://127.0.0.1:{port}"
            async with a_caller(url, KEY, give_up_s=GIVE_UP_S) as caller:
                running = RunningWorker(url, worker, folder, caller, logs, redactor)
                yield running
                await running.end()
        assert worker.plain.pids == ()
        assert list((settings.data_dir / "tmp").glob("*")) == []
        await until(lambda: _children() <= before)


def browserless_worker(
    tmp_path: Path, functions: Mapping[str, str] | Path, **terms: Any
) -> AbstractAsyncContextManager[RunningWorker]:
    """As `running_worker`, on a machine without Chromium: it starts in no time."""
    return running_worker(tmp_path, functions, CHROMIUM_PATH=NO_CHROMIUM, **terms)


def _children() -> set[int]:
    """The processes that descend from this one, but for zombies nobody has reaped yet."""
    return {
        child.pid
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE
    }
