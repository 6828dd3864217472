"""Nodes as processes that are killed, and what must be true of their tasks afterwards."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, web

from tests.harness.calls import a_caller
from tests.harness.environment import KEY, NO_CHROMIUM, clean_environment
from tests.harness.in_process.durable_worker import FUNCTIONS, GIVE_UP_S
from tests.harness.peers.receivers import Receiver, receiver
from tests.harness.processes.process import Process

ROOT = Path(__file__).resolve().parents[3]
SLOTS = 4

DECLARED = '''
import os
import signal
from pathlib import Path
from slotgrid.function import Context, function

@function(retries={retries})
async def {name}(context: Context, file: str, text: str, deadly: str = "") -> str:
    """Add a line; the first that finds a deadly file takes it, and kills its node."""
    with Path(file).open("a") as lines:
        lines.write(text + "\\n")
    if deadly:
        try:
            Path(deadly).unlink()
        except FileNotFoundError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()
    return text
'''


class Killed:
    """A node that is started again and again on the same data; webhooks go to `told`."""

    def __init__(self, root: Path, told: Receiver, **env: str) -> None:
        self.root = root
        self.told = told
        self.ids: dict[str, str] = {}
        """The id of each accepted task by its text."""
        self.sent: set[str] = set()
        functions = root / "functions"
        functions.mkdir(parents=True)
        for name, text in FUNCTIONS.items():
            (functions / name).write_text(text)
        for name, retries in (("once", 0), ("again", 3)):
            (functions / f"{name}.py").write_text(DECLARED.format(name=name, retries=retries))
        self._env: Mapping[str, str] = {
            **clean_environment(),
            "FUNCTIONS_DIR": str(functions),
            "DATA_DIR": str(root / "data"),
            "AUTH_KEY": KEY,
            "NODE_NAME": "killed",
            "PORT": "0",
            "SLOTS": str(SLOTS),
            "CHROMIUM_PATH": NO_CHROMIUM,
            "ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
            "LOG_FORMAT": "json",
            **env,
        }

    @property
    def lines(self) -> Path:
        return self.root / "lines"

    @asynccontextmanager
    async def node(self, *point: str, **env: str) -> AsyncIterator["KilledNode"]:
        """The node as a process, until the end of the block or its own; `env` are settings."""
        command = [sys.executable, "-m", "tests.harness.processes.faulty_node", *point]
        process = Process(command, cwd=ROOT, env={**self._env, **env})
        try:
            listening = await asyncio.to_thread(process.until_event, "worker.listening")
            url = f"http://127.0.0.1:{listening['port']}"
            # With more at once, all tasks are recorded by few calls, and some points never come.
            async with a_caller(url, KEY, give_up_s=GIVE_UP_S, at_once=32) as caller:
                yield KilledNode(self, process, caller)
        finally:
            await asyncio.to_thread(process.kill)

    def ran(self) -> Counter[str]:
        """How often each text was written: once a run."""
        return Counter(self.lines.read_text().splitlines()) if self.lines.exists() else Counter()

    def told_of(self) -> dict[str, set[str]]:
        """Which ends the receiver was told, by task."""
        told: dict[str, set[str]] = {}
        for request in self.told.received:
            body = orjson.loads(request.body)
            told.setdefault(body["data"]["id"], set()).add(body["type"].removeprefix("task."))
        return told


class KilledNode:
    """One life of it."""

    def __init__(self, home: Killed, process: Process, caller: ClientSession) -> None:
        self.home = home
        self.process = process
        self._caller = caller

    async def submit(self, function: str, text: str, **given: str) -> None:
        """Hand a task over, and note its id if it was accepted."""
        home = self.home
        home.sent.add(text)
        body = {
            "function": function,
            "mode": "webhook",
            "webhook": {"url": home.told.url},
            "input": {"file": str(home.lines), "text": text, **given},
            "metadata": {"text": text},
        }
        try:
            async with self._caller.post("/task", json=body) as answer:
                if answer.status == 202:
                    home.ids[text] = (await answer.json())["id"]
        except (OSError, ClientError):
            pass  # it is dead: whether the task was accepted is not known

    async def submit_many(self, function: str, count: int, **given: str) -> None:
        """Hand over so many tasks."""
        await asyncio.gather(
            *(self.submit(function, f"{function}-{n}", **given) for n in range(count))
        )

    async def died(self) -> None:
        """Return when it has been killed."""
        assert await asyncio.to_thread(self.process.wait) == -signal.SIGKILL

    def kill(self) -> None:
        """Kill it here and now."""
        self.process.send(signal.SIGKILL)

    async def get(self, path: str, **params: str) -> Any:
        async with self._caller.get(path, params=params) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def task(self, function: str, mode: str = "sync", **given: str) -> tuple[int, Any]:
        """Status and body of the answer to a task."""
        body: dict[str, Any] = {"function": function, "mode": mode, "input": given}
        if mode == "webhook":
            body["webhook"] = {"url": self.home.told.url}
        async with self._caller.post("/task", json=body) as answer:
            return answer.status, await answer.json()

    async def hold(self, given: dict[str, str]) -> None:
        """Hold a slot by a task of `wait`, until it ends or the node does."""
        body = {"function": "wait", "input": given}
        with suppress(OSError, ClientError):
            async with self._caller.post("/task", json=body) as answer:
                await answer.read()

    async def submit_batch(self, submissions: list[dict[str, Any]]) -> list[str]:
        """The ids of durable tasks that were accepted together."""
        async with self._caller.post("/tasks", json={"tasks": submissions}) as answer:
            assert answer.status == 202, await answer.text()
            return [task["id"] for task in (await answer.json())["tasks"]]

    async def post(self, path: str, **asked: Any) -> int:
        async with self._caller.post(path, **asked) as answer:
            return answer.status

    async def settled(self) -> list[dict[str, Any]]:
        """Every task that is recorded, when all have ended and been delivered."""
        async with asyncio.timeout(GIVE_UP_S):
            while True:
                live = await self.get("/tasks", status="queued,running", limit="1")
                owed = await self.get("/tasks", delivery="pending", limit="1")
                if live["total"] == owed["total"] == 0:
                    break
                await asyncio.sleep(0.05)
        tasks: list[dict[str, Any]] = []
        while True:
            page = await self.get("/tasks", limit="100", offset=str(len(tasks)))
            tasks += page["tasks"]
            if len(tasks) >= page["total"]:
                return tasks


@asynccontextmanager
async def killed(root: Path, *, refusing: int = 0, **env: str) -> AsyncIterator[Killed]:
    """A home for a node with these settings; its receiver answers the first `refusing` webhooks
    of each task with 500.
    """
    asked: Counter[str] = Counter()

    async def answer(request: web.Request) -> web.Response:
        asked[request.headers["webhook-id"]] += 1
        refused = asked[request.headers["webhook-id"]] <= refusing
        return web.Response(status=500 if refused else 200)

    async with receiver(answer) as told:
        yield Killed(root, told, **env)


async def assert_nothing_lost(home: Killed, *, lost: int, twice: bool = False) -> None:
    """Start the node once more, and see every task through.

    At most `lost` ended without it being known whether they took effect; each of the others ran
    exactly once, or more often if that was declared (`twice`). Each was told to the receiver.
    """
    async with home.node() as node:
        tasks = await node.settled()
    by_id = {task["id"]: task for task in tasks}
    assert len(by_id) == len(tasks)
    assert set(home.ids.values()) <= set(by_id)
    assert len(tasks) <= len(home.sent)
    ran, told = home.ran(), home.told_of()
    failed = [task for task in tasks if task["status"] == "failed"]
    assert {task["status"] for task in tasks} <= {"completed", "failed"}
    assert len(failed) <= lost
    assert all("the node crashed while the task ran" in task["error"] for task in failed)
    for text, task_id in home.ids.items():
        completed = by_id[task_id]["status"] == "completed"
        if completed:
            assert ran[text] >= 1
        if not twice:
            assert ran[text] <= 1
        assert told[task_id] == {by_id[task_id]["status"]}
    if not twice:
        assert all(runs == 1 for runs in ran.values())
    assert set(told) == set(by_id)
