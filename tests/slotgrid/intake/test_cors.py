"""CORS: closed unless it was opened, and then open on every route, streams and errors included."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from tests.harness.chromium import WatchedPage, browser, watched
from tests.harness.environment import KEY
from tests.harness.in_process.node import RunningNode, running_node

__all__ = ["browser", "watched"]

OTHER = "http://pages.example"
FROM_OTHER = {"Origin": OTHER}
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
async def opened(aiohttp_client: AiohttpClient) -> AsyncIterator[RunningNode]:
    async with running_node(aiohttp_client, cors_origins=[OTHER]) as running:
        yield running


def preflight(method: str) -> dict[str, str]:
    return {
        **FROM_OTHER,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }


async def test_it_is_closed_by_default(node: RunningNode) -> None:
    async with node.caller.get("/health", headers=FROM_OTHER) as answer:
        assert answer.status == 200
        assert ALLOWED not in answer.headers
    async with node.stranger.options("/task", headers=preflight("POST")) as answer:
        assert answer.status == 405
        assert ALLOWED not in answer.headers


async def test_every_route_answers_a_preflight_without_a_key(opened: RunningNode) -> None:
    routes = [
        (route.method, route.resource.canonical)
        for route in opened.app.router.routes()
        if route.resource is not None and route.method != "OPTIONS"
    ]
    assert len(routes) > 30
    for method, path in routes:
        filled = path.replace("{name:.+}", "a/b").replace("{step:.+}", "a").replace("{", "")
        async with opened.stranger.options(
            filled.replace("}", ""), headers=preflight(method)
        ) as answer:
            assert answer.status == 200, (method, path)
            assert answer.headers[ALLOWED] == OTHER
            assert answer.headers["Access-Control-Allow-Methods"] == method
            assert "AUTHORIZATION" in answer.headers["Access-Control-Allow-Headers"].upper()
            assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_another_origin_is_refused(opened: RunningNode) -> None:
    headers = preflight("POST") | {"Origin": "http://elsewhere.example"}
    async with opened.stranger.options("/task", headers=headers) as answer:
        assert answer.status == 403
        assert ALLOWED not in answer.headers
    async with opened.caller.get("/health", headers={"Origin": "http://elsewhere.example"}) as got:
        assert got.status == 200
        assert ALLOWED not in got.headers
        assert "Origin" in got.headers["Vary"]


async def test_errors_and_streams_carry_the_headers_too(opened: RunningNode) -> None:
    async with opened.stranger.get("/tasks", headers=FROM_OTHER) as refused:
        assert refused.status == 401
        assert refused.headers[ALLOWED] == OTHER
    body = {"function": "greet", "mode": "stream"}
    async with opened.caller.post("/task", json=body, headers=FROM_OTHER) as stream:
        assert stream.content_type == "text/event-stream"
        assert stream.headers[ALLOWED] == OTHER
        exposed = stream.headers["Access-Control-Expose-Headers"].split(",")
        assert set(exposed) == {"Retry-After", "Location", "Content-Location"}
        await stream.read()


async def test_a_preflight_is_no_way_around_the_key(opened: RunningNode) -> None:
    for method in ("GET", "POST"):
        async with opened.stranger.request(method, "/off", headers=preflight("POST")) as answer:
            assert answer.status in {401, 405}
    assert opened.node.status.state == "ready"


@pytest.fixture
async def foreign_page(aiohttp_server: AiohttpServer) -> str:
    """A page of another origin: the same host, another port."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(
            text="<!doctype html><title>elsewhere</title>", content_type="text/html"
        )

    app = web.Application()
    app.router.add_get("/", page)
    return str((await aiohttp_server(app)).make_url("")).rstrip("/")


STREAM = """async ([url, key]) => {
    const answer = await fetch(url + "/task", {
        method: "POST",
        headers: {"Authorization": key, "Content-Type": "application/json"},
        body: JSON.stringify({function: "greet", mode: "stream"}),
    });
    const pieces = [];
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
        const {done, value} = await reader.read();
        if (done) break;
        pieces.push(value);
    }
    return {status: answer.status, task: answer.headers.get("Content-Location"),
            text: pieces.join("")};
}"""
MISTAKE = """async ([url]) => {
    const answer = await fetch(url + "/tasks");
    return {status: answer.status, type: (await answer.json()).type};
}"""


async def test_a_page_of_another_origin_follows_a_stream_and_reads_an_error(
    aiohttp_client: AiohttpClient, foreign_page: str, watched: WatchedPage
) -> None:
    page, _ = watched
    async with running_node(aiohttp_client, cors_origins=["*"]) as node:
        await page.goto(foreign_page)
        streamed = await page.evaluate(STREAM, [node.url, KEY])
        assert streamed["status"] == 200
        assert streamed["task"].startswith("/tasks/")
        assert "event: chunk" in streamed["text"]
        assert "event: done" in streamed["text"]
        refused = await page.evaluate(MISTAKE, [node.url])
        assert refused == {"status": 401, "type": "/problems/unauthorized"}


async def test_a_page_of_another_origin_reads_nothing_where_it_is_closed(
    node: RunningNode, foreign_page: str, watched: WatchedPage
) -> None:
    page, _ = watched
    await page.goto(foreign_page)
    read = await page.evaluate(
        "([url]) => fetch(url + '/health').then(a => a.text()).catch(e => e.name)", [node.url]
    )
    assert read == "TypeError"
