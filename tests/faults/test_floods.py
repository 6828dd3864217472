"""Pages that flood their browser with events: neither the link nor another worker's task feels it.

A worker with two browsers, its balancer, and tasks that come through it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pytest_aiohttp.plugin import AiohttpServer

from slotgrid.runtime.setting_choices import BrowserKind
from tests.harness.calls import Answer
from tests.harness.processes.nodes import Node, nodes
from worker.browser.find_chromium import find_executable

FUNCTIONS = {
    "stay.py": """
        @function(timeout_s=60)
        async def stay(context: Context, url: str) -> None:
            page = await context.page()
            await page.goto(url, wait_until="commit")
            await asyncio.Event().wait()
    """,
    "title.py": """
        @function(timeout_s=60, retries=3)
        async def title(context: Context, url: str) -> str:
            page = await context.page()
            await page.goto(url)
            return await page.title()
    """,
}
HEAD = "import asyncio\nfrom slotgrid.function import Context, function\n"

FLOODS = {
    "push-state": """
        setTimeout(() => { while (true) history.pushState(0, '', '?' + Math.random()) })""",
    "location": "let i = 0; setTimeout(() => { while (true) location.hash = i++ })",
    "socket": """
        const socket = new WebSocket('/socket');
        socket.onopen = () => setInterval(() => {
            for (let i = 0; i < 1000; i++) socket.send('x'.repeat(100)) }, 0)""",
}

TIMEOUT_S = 8
SLOTS = 6


@dataclass(frozen=True)
class Outcome:
    """What came of a flood: each flooding task's answer and the wait for it in seconds; the
    answers to tasks that ran beside it."""

    floods: list[tuple[Answer, float]]
    others: list[Answer]


async def _socket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for _ in socket:
        pass
    return socket


async def _page(request: web.Request) -> web.Response:
    script = FLOODS.get(request.match_info["name"], "")
    html = f"<title>A page</title><script>{script}</script>"
    return web.Response(text=html, content_type="text/html")


@pytest.fixture
async def site(aiohttp_server: AiohttpServer) -> TestServer:
    app = web.Application()
    app.add_routes([web.get("/socket", _socket), web.get("/{name}", _page)])
    return await aiohttp_server(app)


@asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[tuple[Node, Node]]:
    """A balancer and a worker with browsers, linked."""
    functions = folder / "own"
    functions.mkdir()
    for name, text in FUNCTIONS.items():
        (functions / name).write_text(HEAD + dedent(text))
    async with nodes(folder) as started:
        balancer = await started.balancer("balancer")
        worker = await started.worker(
            "worker-1",
            balancer,
            FUNCTIONS_DIR=functions,
            CHROMIUM_PATH=find_executable(BrowserKind.SHELL).path,
            SLOTS=SLOTS,
            BROWSERS=2,
        )
        await balancer.until_ready_workers(1)
        yield balancer, worker


async def flood(balancer: Node, site: TestServer, name: str, count: int) -> Outcome:
    """So many tasks that open a flooding page, and others beside them until those have ended."""

    async def stay() -> tuple[Answer, float]:
        began = time.monotonic()
        url = str(site.make_url(f"/{name}"))
        answer = await balancer.submit("stay", input={"url": url}, timeout_s=TIMEOUT_S)
        return answer, time.monotonic() - began

    async def title() -> None:
        while not all(one.done() for one in flooding):
            others.append(
                await balancer.submit("title", input={"url": str(site.make_url("/calm"))})
            )
            await asyncio.sleep(0.1)

    others: list[Answer] = []
    flooding = [asyncio.ensure_future(stay()) for _ in range(count)]
    await asyncio.gather(title(), title())
    return Outcome([await one for one in flooding], others)


@pytest.mark.parametrize(("name", "count"), [("push-state", 1), ("location", 4)])
async def test_a_flooding_page_fails_its_own_task_alone(
    name: str, count: int, tmp_path: Path, site: TestServer
) -> None:
    async with fleet(tmp_path) as (balancer, worker):
        outcome = await flood(balancer, site, name, count)
        problems = {answer.json["type"] for answer, _ in outcome.floods}
        assert problems <= {"/problems/deadline-exceeded", "/problems/browser-crashed"}
        assert {answer.status for answer in outcome.others} == {200}
        assert balancer.process.events("worker.lost") == []
        await worker.until_idle()
        await balancer.until_idle()
        # It works again, on every slot at once.
        url = str(site.make_url("/calm"))
        answers = await asyncio.gather(*(balancer.call("title", url=url) for _ in range(SLOTS)))
        assert answers == ["A page"] * SLOTS
