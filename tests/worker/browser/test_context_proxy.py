"""A forward proxy for each context: whose connections arrive where, and when its port is freed."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from playwright.async_api import Error as PlaywrightError

from slotgrid.core.task_parts import Traffic
from tests.harness.in_process.worker import running_worker
from tests.harness.waiting import PATIENT, until, until_whole
from tests.worker.browser.conftest import StartBrowsers
from worker import app
from worker.browser.browser_context import TaskContext
from worker.browser.browsers import Browsers
from worker.browser.context_proxy import ProxyOwner
from worker.browser.errors import ContextOptionsRefused

PAGE = "<title>A page</title>"
VISITS = """
from slotgrid.function import Context, function

@function()
async def visits(context: Context) -> str:
    page = await context.page()
    await page.goto("http://site.example/visited")
    return await page.title()
"""


@dataclass(frozen=True)
class Owner:
    """Fulfils `ProxyOwner`."""

    task_id: str

    def allows(self, host: str, port: int) -> bool:
        return False

    def target_refused(self, sentence: str) -> None: ...

    def traffic_exceeded(self, limit: int) -> None: ...


class PageProxy:
    """Fulfils `ContextProxy`: answers every request with a page, and notes whose it was."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, str]] = []
        self.closed = False
        self.traffic = Traffic()
        self._task_id: str | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    @property
    def server(self) -> str:
        return f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def refused_navigation(self, *, failed: bool) -> str | None:
        return None

    def bind(self, owner: ProxyOwner) -> None:
        self._cut()
        self._task_id = owner.task_id

    def unbind(self) -> None:
        self._cut()
        self._task_id = None

    def close(self) -> None:
        self.closed = True
        self._listener.close()
        self._cut()

    def _cut(self) -> None:
        for writer in self._connections:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        length = f"Content-Type: text/html\r\nContent-Length: {len(PAGE)}"
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                url = head.split(b" ")[1].decode()
                if not url.endswith("/favicon.ico"):
                    self.asked.append((self._task_id, url))
                writer.write(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n{PAGE}".encode())
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections.discard(writer)
            with contextlib.suppress(OSError):
                writer.close()


class Proxies:
    """Opens a proxy for each context, and remembers them all.

    Nothing listens at the browser's own: only traffic of contexts arrives anywhere.
    """

    server = "http://127.0.0.1:9"

    def __init__(self) -> None:
        self.opened: list[PageProxy] = []
        self.failing = False

    async def open(
        self, upstream: Mapping[str, str] | None = None, *, trusted: bool = False
    ) -> PageProxy:
        if self.failing:
            raise OSError("too many open files")
        proxy = PageProxy()
        await proxy.listen()
        self.opened.append(proxy)
        return proxy

    @property
    def alive(self) -> int:
        return sum(not proxy.closed for proxy in self.opened)


def proxy_of(context: TaskContext) -> PageProxy:
    assert isinstance(context.proxy, PageProxy)
    return context.proxy


async def started(start: StartBrowsers, proxies: Proxies) -> Browsers:
    """A browser of two slots, with its two spares."""
    browsers = await start(limits=PATIENT, guard=proxies)
    await until_whole(browsers, count=1, slots=2)
    return browsers


async def test_requests_arrive_at_the_proxy_of_their_context_with_its_task(
    start: StartBrowsers,
) -> None:
    proxies = Proxies()
    browsers = await started(start, proxies)
    spares = {spare.proxy for spare in browsers.spares()}
    contexts = {
        "task-1": await browsers.context(),
        "task-2": await browsers.context(),
        "task-3": await browsers.context({"locale": "de-DE"}),
    }
    taken = [proxy_of(context) for context in contexts.values()]
    assert set(taken[:2]) == spares
    assert len(set(taken)) == 3
    for task_id, context in contexts.items():
        context.bind(Owner(task_id))
    await asyncio.gather(
        *(context.page.goto(f"http://{task_id}.example/") for task_id, context in contexts.items())
    )
    assert [proxy.asked for proxy in taken] == [
        [(task_id, f"http://{task_id}.example/")] for task_id in contexts
    ]
    for context in contexts.values():
        await context.close()
    assert [proxy.closed for proxy in taken] == [True] * 3


async def test_a_context_keeps_its_proxy_for_a_further_task(start: StartBrowsers) -> None:
    browsers = await started(start, Proxies())
    context = await browsers.context()
    proxy = proxy_of(context)
    for task_id in ("task-1", "task-2"):
        context.bind(Owner(task_id))
        await context.page.goto(f"http://{task_id}.example/")
    assert proxy_of(context) is proxy
    assert [task_id for task_id, _ in proxy.asked] == ["task-1", "task-2"]
    await context.close()


async def test_a_context_that_a_function_opens_itself_gets_round_no_proxy(
    start: StartBrowsers,
) -> None:
    proxies = Proxies()
    browsers = await started(start, proxies)
    context = await browsers.context()
    assert context.context.browser is not None
    own = await context.context.browser.new_context()
    page = await own.new_page()
    with pytest.raises(PlaywrightError, match="ERR_PROXY_CONNECTION_FAILED"):
        await page.goto("http://site.example/")
    await own.close()
    await context.close()
    assert all(proxy.asked == [] for proxy in proxies.opened)


async def test_every_way_in_which_a_context_ends_frees_the_port_of_its_proxy(
    start: StartBrowsers,
) -> None:
    proxies = Proxies()
    browsers = await started(start, proxies)
    with pytest.raises(ContextOptionsRefused, match="nonsense"):
        await browsers.context({"nonsense": 1})
    assert proxies.alive == 2
    context = await browsers.context()
    first = set(proxies.opened)
    psutil.Process(context.browser_pid).kill()
    await context.lost
    await context.close()
    await until(lambda: all(proxy.closed for proxy in first))
    await until_whole(browsers, count=1, slots=2)
    assert proxies.alive == 2


async def test_a_proxy_that_cannot_be_opened_fails_the_task_and_no_other(
    start: StartBrowsers,
) -> None:
    proxies = Proxies()
    proxies.failing = True
    browsers = await start(limits=PATIENT, guard=proxies)
    with pytest.raises(OSError, match="too many open files"):
        await browsers.context()
    proxies.failing = False
    await until_whole(browsers, count=1, slots=2)
    assert browsers.stats().restarts == {}


async def test_a_function_reaches_sites_through_the_proxy_bound_to_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = Proxies()

    monkeypatch.setattr(
        app, "Browsers", lambda *args, **kwargs: Browsers(*args, **{**kwargs, "guard": proxies})
    )
    async with running_worker(tmp_path, {"visits.py": VISITS}) as worker:
        answer = await worker.submit("visits")
        assert answer.status == 200, answer.body
        assert answer.json["result"] == "A page"
    asked = [one for proxy in proxies.opened for one in proxy.asked]
    assert asked == [(answer.json["id"], "http://site.example/visited")]
    assert proxies.alive == 0
