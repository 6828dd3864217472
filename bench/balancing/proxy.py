"""`UPSTREAM=http://… python -m bench.balancing.proxy`: the bare reverse proxy of aiohttp.

It reads each whole request, forwards it on a pooled connection, and returns the answer. No queue,
no key of its own, no record, no metric.
"""

import os
from collections.abc import AsyncIterator

import orjson
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

from bench.serving import serve

UPSTREAM = web.AppKey("upstream", ClientSession)
CARRIED = ("Authorization", "Content-Type")


async def forward(request: web.Request) -> web.Response:
    headers = {name: request.headers[name] for name in CARRIED if name in request.headers}
    async with request.app[UPSTREAM].request(
        request.method, request.path_qs, data=await request.read(), headers=headers
    ) as answer:
        return web.Response(
            body=await answer.read(), status=answer.status, content_type=answer.content_type
        )


async def upstream(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession(
        os.environ["UPSTREAM"],
        connector=TCPConnector(limit=0),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        json_serialize=lambda value: orjson.dumps(value).decode(),
    ) as app[UPSTREAM]:
        yield


if __name__ == "__main__":
    app = web.Application()
    app.cleanup_ctx.append(upstream)
    app.add_routes([web.route("*", "/{path:.*}", forward)])
    serve(app)
