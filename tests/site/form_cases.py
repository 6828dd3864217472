"""What the forms in `pages/forms/` are sent to."""

import json

from aiohttp import web

from tests.site.forms import received_from
from tests.site.markup import answer


async def received(request: web.Request) -> web.Response:
    """Show the method and what arrived, as JSON."""
    got = received_from(await request.post())
    for name, value in request.query.items():
        got.setdefault(name, []).append(value)
    shown = json.dumps(got, ensure_ascii=False).replace("<", "\\u003c")
    return answer("Received", f"<p>{request.method}</p><pre>{shown}</pre>")


async def api(request: web.Request) -> web.Response:
    """Answer a script with what arrived."""
    return web.json_response(received_from(await request.post()))


async def file(request: web.Request) -> web.Response:
    """Answer with a file that has what arrived."""
    content = json.dumps(received_from(await request.post()))
    headers = {"Content-Disposition": 'attachment; filename="Order (1).json"'}
    return web.Response(text=content, headers=headers, status=201)


async def poll(_request: web.Request) -> web.Response:
    """Answer a page that asks again and again."""
    return web.json_response({})


async def no_content(_request: web.Request) -> web.Response:
    """Take a form, and leave its page as it is."""
    return web.Response(status=204)


async def cut(request: web.Request) -> web.Response:
    """End the connection without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def socket(request: web.Request) -> web.WebSocketResponse:
    """Answer each message with `got`."""
    channel = web.WebSocketResponse()
    await channel.prepare(request)
    async for _ in channel:
        await channel.send_str("got")
        break
    await channel.close()
    return channel


ROUTES = (
    web.route("*", "/form-cases/received", received),
    web.post("/form-cases/api", api),
    web.post("/form-cases/file", file),
    web.get("/form-cases/poll", poll),
    web.post("/form-cases/no-content", no_content),
    web.post("/form-cases/cut", cut),
    web.get("/form-cases/socket", socket),
)
