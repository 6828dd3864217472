"""A whole balancer in this process, and workers as processes of their own.

Every test that uses them ends in their check: no lease, no right to send and no call is left, and
the balancer's counts are those of the workers.
"""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientSession, web

from balancer.app import Balancer
from balancer.fleet.expected_workers import RETURNING_S
from balancer.fleet.worker_states import WorkerState
from slotgrid.core.lease import STARTED
from slotgrid.node.serving import Stop, listening
from slotgrid.runtime.logs import LogRing
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import BALANCER_DEFAULTS, Settings
from tests.harness.calls import GIVE_UP_S, IN_PROCESS_STALL_S, Answer, Calls, a_caller
from tests.harness.environment import KEY, LINK_KEY
from tests.harness.function_files import write_functions
from tests.harness.in_process.checked_answers import check_answers
from tests.harness.in_process.logs import node_logs
from tests.harness.processes.process import Process
from tests.harness.processes.starting import start_node, url_of
from tests.harness.waiting import until


@dataclass
class WorkerProcess:
    """A worker that runs on its own."""

    name: str
    process: Process
    url: str
    folder: Path
    env: Mapping[str, object]

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill()

    def freeze(self) -> None:
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send(signal.SIGCONT)

    def terminate(self) -> None:
        """Have it drain and end."""
        self.process.send(signal.SIGTERM)

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait)


@dataclass
class RunningBalancer(Calls):
    """A balancer that listens at `url`, and a caller that has its key."""

    url: str
    balancer: "_Checked"
    caller: ClientSession
    logs: LogRing
    folder: Path
    _workers: list[WorkerProcess] = field(default_factory=list)
    _callers: set["asyncio.Task[Answer]"] = field(default_factory=set)

    @property
    def app(self) -> web.Application:
        return self.balancer.app

    # Workers

    async def start_worker(self, name: str, **env: object) -> WorkerProcess:
        """A worker that dials in, unless `env` says otherwise; returns when it listens."""
        folder = self.folder / name
        functions = folder / "functions"
        if not functions.exists():
            write_functions(functions)
        own = {"BALANCER_URL": self.url, "FUNCTIONS_DIR": functions}
        process = start_node("worker", name, folder, **{**own, **env})
        url = await url_of("worker", process)
        worker = WorkerProcess(name, process, url, folder, env)
        self._workers.append(worker)
        return worker

    async def worker(self, name: str = "worker-1", **env: object) -> WorkerProcess:
        """A worker that is ready for this balancer."""
        worker = await self.start_worker(name, **env)
        await self.until_worker(name, WorkerState.READY)
        return worker

    async def until_worker(self, name: str, state: WorkerState | None) -> None:
        """Return when the balancer takes the worker to be so; None means not known."""

        def holds() -> bool:
            worker = self.balancer.fleet.roster.worker(name)
            return (None if worker is None else worker.state) is state

        try:
            await until(holds, GIVE_UP_S)
        except TimeoutError:
            said = "\n".join(str(line) for line in self.logs.entries()[-30:])
            workers = "\n".join(f"{one.name}:\n{one.process.said}" for one in self._workers)
            raise AssertionError(f"{name} is not {state}:\n{said}\n{workers}") from None

    def boot_of(self, name: str) -> str | None:
        """Which process the balancer takes for the worker of that name."""
        worker = self.balancer.fleet.roster.worker(name)
        return None if worker is None else worker.boot

    def list_workers(self, *entries: object) -> None:
        """Write `workers.json`."""
        file = self.balancer.settings.workers_file
        partial = file.with_suffix(".new")
        partial.write_text(json.dumps(entries))
        partial.rename(file)

    # Calls

    async def problem(self, function: str, status: int, **fields: Any) -> Any:
        """The problem of a task that does not."""
        answer = await self.submit(function, **fields)
        assert answer.status == status, answer.body
        return answer.json

    def start(self, function: str, *, fields: Any = None, **given: Any) -> "asyncio.Task[Answer]":
        """A caller who waits for the answer."""
        asked = self.submit(function, input=given, **(fields or {}))
        caller = asyncio.create_task(asked, name=f"caller of {function}")
        self._callers.add(caller)
        caller.add_done_callback(self._callers.discard)
        return caller

    async def until_running(self, count: int) -> None:
        """Return when so many tasks have started on workers."""
        dispatcher = self.balancer.dispatcher
        await until(lambda: dispatcher.lease_states()[STARTED] == count, GIVE_UP_S)

    def events_logged(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.logs.entries() if line["event"] == event]

    # The end

    async def idle(self) -> None:
        """Return when no task is live; assert that the counts agree everywhere."""
        balancer = self.balancer
        async with asyncio.timeout(GIVE_UP_S):
            await balancer.supervisor.wait_idle()
        assert balancer.dispatcher.leased == 0
        assert balancer.dispatcher.waiting == 0
        assert balancer.fleet.in_flight == 0
        assert balancer.links.calls == 0
        assert balancer.health.mismatch() == 0
        for worker in balancer.fleet.roster.workers():
            assert worker.flights == worker.unanswered == 0
            if worker.state in {WorkerState.READY, WorkerState.MAINTENANCE}:
                await until(lambda worker=worker: worker.free == worker.pools, GIVE_UP_S)  # type: ignore[misc]
        for process in self._workers:
            if process.process.runs:
                health = await self._health_of(process)
                assert health["slots"]["used"] == 0, process.name

    async def _health_of(self, worker: WorkerProcess) -> Any:
        headers = {"Authorization": KEY}
        async with self.caller.get(f"{worker.url}/health", headers=headers) as response:
            return orjson.loads(await response.read())

    async def end(self) -> None:
        """Cancel what still runs, and assert that it leaves nothing."""
        self.balancer.cancel_everything("the test is over")
        await self.idle()
        for caller in list(self._callers):
            caller.cancel()
        if self._callers:
            await asyncio.wait(self._callers)

    def end_workers(self) -> None:
        for worker in self._workers:
            if worker.process.runs:
                worker.kill()


class _Checked(Balancer):
    """Holds each of its answers against its own documentation."""

    def application(self) -> web.Application:
        app = super().application()
        self.app, self.faults = app, check_answers(app)
        return app


@asynccontextmanager
async def running_balancer(tmp_path: Path, **env: object) -> AsyncIterator[RunningBalancer]:
    """A balancer that is ready; `env` are settings by their environment names.

    It takes itself to have been up for a while, so that it answers what it has not at once.
    """
    folder = tmp_path / "fleet"
    folder.mkdir(exist_ok=True)
    settings = Settings.from_env(
        {
            "PORT": "0",
            "AUTH_KEY": KEY,
            "BALANCER_KEY": LINK_KEY,
            "NODE_NAME": "test-balancer",
            "DATA_DIR": str(folder / "balancer"),
            "WORKERS_FILE": str(folder / "workers.json"),
            "SCHEDULES_FILE": str(folder / "schedules.yaml"),
            "HOOKS_FILE": str(folder / "hooks.yaml"),
            "USERS_FILE": str(folder / "users.json"),
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "json",
            "LOOP_STALL_S": IN_PROCESS_STALL_S,
            **{name: str(value) for name, value in env.items()},
        },
        defaults=BALANCER_DEFAULTS,
    )
    redactor = Redactor(settings.secrets())
    with node_logs(settings, redactor) as logs:
        balancer = _Checked(settings, logs=logs, redactor=redactor, drain=Stop().by_caller)
        balancer.fleet.expected._began -= RETURNING_S
        async with listening(balancer) as port:
            url = f"http://127.0.0.1:{port}"
            async with a_caller(url, KEY, give_up_s=GIVE_UP_S) as caller:
                running = RunningBalancer(url, balancer, caller, logs, folder)
                try:
                    yield running
                    await running.end()
                finally:
                    running.end_workers()
        assert balancer.faults == [], balancer.faults
        assert [line for line in logs.entries() if line["level"] == "critical"] == []


class Load:
    """Callers that send one task after the other, for as long as the block runs."""

    def __init__(self, balancer: RunningBalancer, *, callers: int, function: str = "echo") -> None:
        self._balancer = balancer
        self._count = callers
        self._function = function
        self._ending = False
        self.answers = 0
        self.problems: Counter[str] = Counter()
        """What was answered instead of a result."""
        self.workers: Counter[str] = Counter()

    async def __aenter__(self) -> "Load":
        self._callers = [asyncio.create_task(self._call()) for _ in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending = True
        await asyncio.gather(*self._callers)

    async def _call(self) -> None:
        number = 0
        while not self._ending:
            number += 1
            answer = await self._balancer.submit(self._function, input={"value": number})
            self.answers += 1
            if answer.status != 200:
                self.problems[f"{answer.json['type']}: {answer.json['error']}"] += 1
            else:
                assert answer.json["result"] == number
                self.workers[answer.json["worker"]] += 1
            await asyncio.sleep(0.01)
