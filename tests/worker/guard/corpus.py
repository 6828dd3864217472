"""Runs cases in one browser: a frame for each, and a look at what their targets met."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.worker.guard.cases import Case
from tests.worker.guard.listening import Post
from worker.browser.browser_context import TaskContext

SITE = "page.localhost"
"""A secure context by its name, so that service workers run."""
FRAMES = 24
"""Cases of one page."""


@dataclass
class Site:
    """Serves the documents of the cases at `page.localhost`."""

    port: int
    documents: list[str]

    @property
    def url(self) -> str:
        return f"http://{SITE}:{self.port}"


@asynccontextmanager
async def site_of(cases: Sequence[Case], posts: Sequence[Post]) -> AsyncIterator[Site]:
    """A site with a document for each case, and what the documents need."""
    site = Site(
        0, [filled(case, post, n) for n, (case, post) in enumerate(zip(cases, posts, strict=False))]
    )

    async def document(request: web.Request) -> web.Response:
        return await _page(site.documents[int(request.match_info["n"])])

    app = web.Application()
    app.add_routes(
        [
            web.get("/case/{n}", document),
            web.get("/frames", _frames),
            web.get("/empty", _empty),
            web.get("/scope/{path:.*}", _empty),
            web.route("*", "/redirect", _redirect),
            web.get("/headers", _headers),
            web.get("/js", _script),
            web.get("/xml", _xml),
        ]
    )
    async with TestServer(app, host="127.0.0.1") as server:
        assert server.port is not None
        site.port = server.port
        yield site


def filled(case: Case, post: Post, number: int) -> str:
    """A case's document, with its target."""
    values = {
        "{u}": f"http://{case.host}:{post.port}/",
        "{h}": case.host,
        "{p}": str(post.port),
        "{n}": str(number),
    }
    text = case.document
    for name, value in values.items():
        text = text.replace(name, value)
    return text


async def show(context: TaskContext, site: Site, cases: Sequence[Case]) -> None:
    """Open every case: a page for many frames, a page of its own for some."""
    numbers = [n for n, case in enumerate(cases) if not case.alone]
    for first in range(0, len(numbers), FRAMES):
        some = ",".join(map(str, numbers[first : first + FRAMES]))
        await _open(context, f"{site.url}/frames?cases={some}")
    for n, case in enumerate(cases):
        if case.alone:
            await _open(context, f"{site.url}/case/{n}")


async def _open(context: TaskContext, url: str) -> None:
    page = await context.context.new_page()
    await page.goto(url, wait_until="commit", timeout=60_000)


async def _empty(request: web.Request) -> web.Response:
    return await _page("")


async def _page(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


async def _frames(request: web.Request) -> web.Response:
    numbers = request.query["cases"].split(",")
    return await _page("".join(f"<iframe src=/case/{n}></iframe>" for n in numbers))


async def _redirect(request: web.Request) -> web.Response:
    headers = {"Location": request.query["to"], "Access-Control-Allow-Origin": "*"}
    return web.Response(status=int(request.query["code"]), headers=headers)


async def _headers(request: web.Request) -> web.Response:
    headers = {name: value for name, value in request.query.items() if name != "body"}
    body = request.query.get("body", "")
    return web.Response(text=body, content_type="text/html", headers=headers)


async def _script(request: web.Request) -> web.Response:
    return web.Response(
        text=request.query["code"],
        content_type="text/javascript",
        headers={"Service-Worker-Allowed": "/"},
    )


async def _xml(request: web.Request) -> web.Response:
    to = request.query["to"]
    text = f'<?xml version="1.0"?><?xml-stylesheet href="{to}" type="text/css"?><a/>'
    return web.Response(text=text, content_type="application/xml")
