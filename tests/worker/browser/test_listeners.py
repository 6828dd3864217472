"""A task's listeners can hurt nobody but the task."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import ConsoleMessage, Page, Request, Route, WebSocketRoute
from playwright.async_api import Error as PlaywrightError

from tests.harness.sizes import sized
from tests.harness.waiting import PATIENT, until, until_whole
from tests.worker.browser.conftest import StartBrowsers
from worker.browser.browser_context import TaskContext
from worker.browser.browser_states import FreedBy
from worker.browser.listeners import BUDGETS, Budget, Listener


class Fault(Exception):
    """What the listeners of these tests raise."""


def _raise(*_: object) -> None:
    raise Fault


async def _raise_later(*_: object) -> None:
    await asyncio.sleep(0)
    raise Fault


async def _on_page(task: TaskContext, listener: Listener, url: str) -> None:
    task.page.on("console", listener)
    await task.page.evaluate("console.log('said')")


async def _on_context(task: TaskContext, listener: Listener, url: str) -> None:
    task.context.on("console", listener)
    await task.page.evaluate("console.log('said')")


async def _once(task: TaskContext, listener: Listener, url: str) -> None:
    task.page.once("console", f=listener)
    await task.page.evaluate("console.log('said')")


async def _on_later_page(task: TaskContext, listener: Listener, url: str) -> None:
    page = await task.context.new_page()
    page.on("console", listener)
    await page.evaluate("console.log('said')")


async def _on_popup(task: TaskContext, listener: Listener, url: str) -> None:
    def listen(page: Page) -> None:
        page.on("console", listener)

    task.page.on("popup", listen)
    async with task.page.expect_popup() as popup:
        await task.page.evaluate("void window.open()")
    await (await popup.value).evaluate("console.log('said')")


async def _on_route(task: TaskContext, listener: Listener, url: str) -> None:
    await task.page.route("**/*", listener)
    with pytest.raises(PlaywrightError):
        await task.page.goto(url, timeout=300)


async def _on_context_route(task: TaskContext, listener: Listener, url: str) -> None:
    await task.context.route("**/*", handler=listener)
    with pytest.raises(PlaywrightError):
        await task.page.goto(url, timeout=300)


async def _on_socket(task: TaskContext, listener: Listener, url: str) -> None:
    task.page.on("websocket", lambda socket: socket.on("framereceived", listener))
    await task.page.goto(url)
    await task.page.evaluate(
        "new Promise(done => { const socket = new WebSocket('/socket');"
        "socket.onopen = () => socket.send('hello'); socket.onmessage = done })"
    )


async def _on_routed_socket(task: TaskContext, listener: Listener, url: str) -> None:
    def listen(socket: WebSocketRoute) -> None:
        socket.on_message(listener)
        socket.connect_to_server().on_message(listener)

    await task.page.route_web_socket("**/socket", listen)
    await task.page.goto(url)
    await task.page.evaluate(
        "new Promise(done => { const socket = new WebSocket('/socket');"
        "socket.onopen = () => { socket.send('hello'); setTimeout(done, 100) } })"
    )


async def _on_locator(task: TaskContext, listener: Listener, url: str) -> None:
    await task.page.goto(url)
    await task.page.add_locator_handler(task.page.locator("h1"), listener)
    with pytest.raises(PlaywrightError):
        await task.page.locator("html").click(timeout=300)


WAYS = [
    _on_page,
    _on_context,
    _once,
    _on_later_page,
    _on_popup,
    _on_route,
    _on_context_route,
    _on_socket,
    _on_routed_socket,
    _on_locator,
]


@pytest.mark.parametrize("listener", [_raise, _raise_later], ids=["plain", "async"])
@pytest.mark.parametrize("way", WAYS, ids=[way.__name__.strip("_") for way in WAYS])
async def test_what_a_listener_raises_goes_to_its_own_task_and_to_no_other(
    way: Callable[[TaskContext, Listener, str], Awaitable[None]],
    listener: Listener,
    start: StartBrowsers,
    site: TestServer,
) -> None:
    browsers = await start(limits=PATIENT)
    task, neighbour = await browsers.context(), await browsers.context()
    raised: list[BaseException] = []
    task.on_listener_error = raised.append
    await way(task, listener, str(site.make_url("/page")))
    await until(lambda: bool(raised))
    assert isinstance(raised[0], Fault)
    for _ in range(3):
        assert await neighbour.page.title() == ""
    await task.close()
    await neighbour.close()


async def test_an_unguarded_listener_would_reach_the_neighbour(start: StartBrowsers) -> None:
    """The fault that the guard is for; when Playwright no longer has it, the guard may go."""
    browsers = await start(limits=PATIENT)
    task, neighbour = await browsers.context(), await browsers.context()
    type(task.page).on(task.page, "console", _raise)
    await task.page.evaluate("console.log('said')")
    with pytest.raises(Fault):
        for _ in range(50):
            await neighbour.page.title()
    await task.close()
    await neighbour.close()


async def test_guarded_listeners_work_as_others_do(start: StartBrowsers, site: TestServer) -> None:
    browsers = await start(limits=PATIENT)
    task = await browsers.context()
    heard: list[str] = []
    asked: list[Request] = []

    def hear(message: ConsoleMessage) -> None:
        heard.append(message.text)

    async def answer(route: Route, request: Request) -> None:
        await route.fulfill(body="<title>routed</title>", content_type="text/html")

    task.page.on("console", hear)
    task.page.on("request", asked.append)
    task.page.once("load", lambda _page: heard.append("load"))
    await task.page.route("**/*", answer)
    await task.page.goto(str(site.make_url("/page")))
    assert await task.page.title() == "routed"
    await task.page.unroute("**/*", answer)
    await task.page.goto(str(site.make_url("/page")))
    assert await task.page.title() == "A page"
    await task.page.evaluate("console.log('first')")
    await until(lambda: "first" in heard)
    task.page.remove_listener("console", hear)
    await task.page.evaluate("console.log('second')")
    await task.page.title()
    assert heard == ["load", "first"]
    assert asked
    await task.close()


@sized("budget", short=(50, 5), long_form=BUDGETS["console"])
async def test_a_listener_whose_event_floods_is_removed_and_the_others_go_on(
    start: StartBrowsers,
    site: TestServer,
    budget: tuple[float, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(BUDGETS, "console", budget)
    # No ceiling: while a busy machine is slow to read the flood, it fills the browser's memory.
    browsers = await start(limits=PATIENT, max_memory_mb=100_000)
    task, neighbour = await browsers.context(), await browsers.context()
    heard: list[ConsoleMessage] = []
    flooded: list[str] = []
    task.on_listener_flood = flooded.append
    task.page.on("console", heard.append)
    await task.page.goto(str(site.make_url("/hostile/log-flood")))
    await until(lambda: bool(flooded))
    assert flooded == ["console"]
    assert len(heard) >= budget[0]
    assert await task.close() is FreedBy.CLOSE
    await neighbour.page.goto(str(site.make_url("/page")))
    await neighbour.close()
    await until_whole(browsers, count=1, slots=2)
    assert browsers.stats().restarts == {}


def test_a_budget_is_a_burst_and_then_a_rate() -> None:
    now = 0.0
    budget = Budget(burst=3, per_s=2, now=lambda: now)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
    now = 0.5
    assert [budget.spend() for _ in range(2)] == [True, False]
    now = 100.0
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
