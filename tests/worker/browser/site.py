"""A small site with what the tests of isolation and faults need."""

import asyncio
import base64
from collections import Counter

from aiohttp import web
from aiohttp.typedefs import Handler

HITS = web.AppKey("hits", Counter[str])
USER, PASSWORD = "someone", "secret"

SERVICE_WORKER = """
addEventListener('install', event => skipWaiting());
addEventListener('activate', event => event.waitUntil(clients.claim()));
addEventListener('fetch', event => {
  if (new URL(event.request.url).pathname === '/who')
    event.respondWith(new Response('service worker'));
});
"""

HOSTILE = {
    "busy-at-load": "<script>while (true);</script>",
    "busy-later": "<script>setTimeout(() => { while (true); }, 50)</script>",
    "alerts": "<script>setTimeout(() => { while (true) alert(1) }, 0)</script>",
    "log-flood": "<script>setTimeout(() => { while (true) console.log('flood') }, 50)</script>",
    "unload": """<script>
        addEventListener('beforeunload', e => { e.preventDefault(); e.returnValue = 'stay' });
        addEventListener('unload', () => { while (true); });
    </script>""",
    "popups": "<script>for (let i = 0; i < 10; i++) open('/page?' + i)</script>",
    "workers": """<script>
        const script = URL.createObjectURL(new Blob(['while (true);']));
        for (let i = 0; i < 3; i++) new Worker(script);
    </script>""",
    "push-state": """<script>
        setTimeout(() => { while (true) history.pushState(0, '', '?' + Math.random()) }, 50)
    </script>""",
    "hash": """<script>
        let number = 0;
        setTimeout(() => { while (true) location.hash = number++ }, 50)
    </script>""",
    "errors": """<script>
        setInterval(() => {
          for (let i = 0; i < 500; i++) setTimeout(() => { throw new Error('flood') }, 0)
        }, 0)
    </script>""",
    "frames": """<script>
        setInterval(() => {
          for (let i = 0; i < 50; i++) document.body.appendChild(document.createElement('iframe'))
            .remove()
        }, 0)
    </script>""",
    "socket": """<script>
        const socket = new WebSocket('/sink');
        socket.onopen = () => setInterval(() => {
          for (let i = 0; i < 500; i++) socket.send('flood')
        }, 0)
    </script>""",
    "reloads": "<script>setTimeout(() => location.reload(), 10)</script>",
    "prints": "<script>setTimeout(() => { while (true) print() }, 0)</script>",
    "fills-memory": """<script>
        setTimeout(() => {
          const held = [];
          while (true) held.push(new Array(100000).fill(Math.random()).map(String));
        }, 0)
    </script>""",
}


def make_site() -> web.Application:
    """The site; what it was asked for is counted in `app[HITS]`."""
    app = web.Application(middlewares=[_count])
    app[HITS] = Counter()
    app.add_routes(
        [
            web.get("/page", _page),
            web.get("/who", _who),
            web.get("/cached", _cached),
            web.get("/worker.js", _worker_script),
            web.get("/secret", _secret),
            web.get("/hostile/{name}", _hostile),
            web.get("/hangs", _hangs),
            web.get("/redirect", _redirect),
            web.get("/socket", _socket),
            web.get("/sink", _sink),
        ]
    )
    return app


@web.middleware
async def _count(request: web.Request, handler: Handler) -> web.StreamResponse:
    request.app[HITS][request.path] += 1
    return await handler(request)


async def _page(request: web.Request) -> web.Response:
    return _html("<title>A page</title><h1>A page</h1>")


async def _who(request: web.Request) -> web.Response:
    return web.Response(text="server")


async def _cached(request: web.Request) -> web.Response:
    return web.Response(text="kept", headers={"Cache-Control": "max-age=3600"})


async def _worker_script(request: web.Request) -> web.Response:
    return web.Response(text=SERVICE_WORKER, content_type="text/javascript")


async def _secret(request: web.Request) -> web.Response:
    given = request.headers.get("Authorization", "")
    if given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
        return _html("the secret")
    return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="tests"'})


async def _hostile(request: web.Request) -> web.Response:
    return _html(HOSTILE[request.match_info["name"]])


async def _hangs(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets")


async def _redirect(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.query["to"])


async def _sink(request: web.Request) -> web.WebSocketResponse:
    """Answers nothing: a flood of answers would keep the tests' own loop busy."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for _ in socket:
        pass
    return socket


async def _socket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(str(message.data))
    return socket


def _html(body: str) -> web.Response:
    return web.Response(text=f"<!doctype html>{body}", content_type="text/html")
