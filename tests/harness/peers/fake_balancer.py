"""A balancer that says what a test has it say, and remembers what it hears."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import uuid_utils
from aiohttp import ClientSession, web

from slotgrid.wire import link_sockets
from slotgrid.wire import messages as m
from slotgrid.wire.encoding import from_worker
from slotgrid.wire.limits import GRANT_EVERY
from slotgrid.wire.link import Link
from slotgrid.wire.link_ending import LinkEnding
from slotgrid.wire.message_parts import Claim, SourceInfo
from tests.harness.environment import KEY
from tests.harness.in_process.worker import RunningWorker, browserless_worker
from tests.harness.waiting import until

GIVE_UP_S = 10.0
T = TypeVar("T")


class Conversation:
    """One link to a worker; `heard` is all that it said, in order."""

    def __init__(self, link: Link[m.FromWorker], *, grants: bool = True) -> None:
        self.link = link
        self.heard: list[Any] = []
        self.grants = grants
        self.ended: asyncio.Task[LinkEnding] | None = None
        self._owed: Counter[str] = Counter()
        self._news = asyncio.Event()

    def run(self) -> asyncio.Task[LinkEnding]:
        """Carry messages from now on; the task ends with the link."""
        self.ended = asyncio.create_task(self.link.run(self.receive))
        self.ended.add_done_callback(lambda _: self._news.set())
        return self.ended

    def receive(self, message: object) -> None:
        self.heard.append(message)
        if self.grants and isinstance(message, m.EventMessage | m.LogMessage):
            self._owe(message.id)
        if self.grants and isinstance(message, m.Data):
            self._owe(message.ask)
        self._news.set()

    def _owe(self, lane: str) -> None:
        """Return the lane's credits in portions, as a balancer does.

        One by one, the credits of a fast task can exceed SIGNS_LIMIT, which ends the link.
        """
        self._owed[lane] += 1
        if self._owed[lane] == GRANT_EVERY:
            self.link.grant(lane, self._owed.pop(lane))

    def all(self, kind: type[T], which: Callable[[T], bool] = lambda _: True) -> list[T]:
        return [message for message in self.heard if isinstance(message, kind) and which(message)]

    async def hears(
        self,
        kind: type[T],
        which: Callable[[T], bool] = lambda _: True,
        *,
        after: int = 0,
        within_s: float = GIVE_UP_S,
    ) -> T:
        """The first such message, of those heard `after` so many; as soon as it is there.

        Fails at once when the link has ended without it.
        """
        async with asyncio.timeout(within_s):
            while True:
                self._news.clear()
                for message in self.heard[after:]:
                    if isinstance(message, kind) and which(message):
                        return message
                after = len(self.heard)
                assert self.link.ending is None, self.link.ending
                await self._news.wait()

    async def hello(self) -> m.Hello:
        return await self.hears(m.Hello)

    def welcome(self, boot: str, *claims: Claim, protocol: str = m.PROTOCOL) -> None:
        self.link.send(m.Welcome(protocol=protocol, name="fake", boot=boot, running=claims))

    def offer(self, function: str, **fields: Any) -> str:
        """Send a task; its id."""
        task_id = str(fields.pop("id", None) or uuid_utils.uuid7())
        given = {
            "contract": 1,
            "owner": "somebody",
            "source": SourceInfo(kind="api"),
            "timeout_s": 30.0,
            "created_at": 1.0,
            **fields,
        }
        self.link.send(m.TaskMessage(id=task_id, function=function, **given), task_id)
        return task_id

    async def started(self, task_id: str) -> m.Started:
        return await self.hears(m.Started, lambda message: message.id == task_id)

    async def outcome(self, task_id: str, *, within_s: float = GIVE_UP_S) -> Any:
        """What became of a task: `done`, `failed` or `refused`."""
        message: Any = await self.hears(
            object,
            lambda message: (
                isinstance(message, m.Done | m.Failed | m.Refused) and message.id == task_id
            ),
            within_s=within_s,
        )
        return message

    async def report(self, which: Callable[[m.Report], bool]) -> m.Report:
        return await self.hears(m.Report, which, after=len(self.heard))

    async def ending(self) -> LinkEnding:
        assert self.ended is not None
        async with asyncio.timeout(GIVE_UP_S):
            return await self.ended


@asynccontextmanager
async def dialled(
    url: str, key: str, *, boot: str | None = None, grants: bool = True
) -> AsyncIterator[Conversation]:
    """A balancer that dials the worker at `url`; with a `boot`, it welcomes at once."""
    async with ClientSession() as session:
        link = await link_sockets.dial(session, url, key, from_worker())
        conversation = Conversation(link, grants=grants)
        running = conversation.run()
        try:
            if boot is not None:
                await conversation.hello()
                conversation.welcome(boot)
            yield conversation
        finally:
            running.cancel()
            await asyncio.wait({running})


@asynccontextmanager
async def linked(
    tmp_path: Path,
    functions: Mapping[str, str],
    *,
    boot: str | None = "b1",
    grants: bool = True,
    **env: object,
) -> AsyncIterator[tuple[RunningWorker, Conversation]]:
    """A worker, and a balancer that has dialled it; after it nothing is left of either."""
    async with browserless_worker(tmp_path, functions, **env) as worker:
        key = str(env.get("BALANCER_KEY", KEY))
        async with dialled(worker.url, key, boot=boot, grants=grants) as balancer:
            yield worker, balancer
        worker.worker.cancel_everything("the test is over")
        await worker.idle()
        await until(lambda: not worker.worker.uplink.tasks.running())


def cut(conversation: Conversation) -> None:
    """The network between the two is gone, without a goodbye."""
    conversation.link._cut()


class Listening:
    """A balancer that workers dial; it welcomes each."""

    def __init__(self) -> None:
        self.boot = uuid4().hex
        self.url = ""
        self.conversations: list[Conversation] = []
        self.keys: list[str | None] = []
        self.answer: Callable[[Conversation], None] = lambda one: one.welcome(self.boot)
        self._news = asyncio.Event()

    async def accept(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers.get("Authorization"))
        return await link_sockets.serve(request, from_worker(), self._converse)

    async def _converse(self, link: Link[m.FromWorker]) -> None:
        conversation = Conversation(link)
        running = conversation.run()
        self.conversations.append(conversation)
        await conversation.hello()
        self.answer(conversation)
        self._news.set()
        await asyncio.wait({running})

    async def link(self, number: int) -> Conversation:
        """The link of that number, the first being 1, as soon as it is welcomed."""
        async with asyncio.timeout(GIVE_UP_S):
            while len(self.conversations) < number or not self.conversations[number - 1].heard:
                self._news.clear()
                await self._news.wait()
        return self.conversations[number - 1]


@asynccontextmanager
async def listening(port: int = 0) -> AsyncIterator[Listening]:
    """A balancer that listens, at `url`."""
    balancer = Listening()
    app = web.Application()
    app.router.add_get("/link", balancer.accept)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    balancer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield balancer
    finally:
        for conversation in balancer.conversations:
            conversation.link._cut()
        await runner.cleanup()
