"""`python -m bench.echo`: the bare aiohttp handler for the comparison with the worker."""

import orjson
from aiohttp import web

from bench.serving import serve


async def echo(request: web.Request) -> web.Response:
    body = orjson.loads(await request.read())
    return web.Response(body=orjson.dumps(body), content_type="application/json")


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.post("/task", echo)])
    serve(app)
