"""`python -m bench.manual_echo`: the same echo in the style of aiohttp's manual."""

import asyncio

from aiohttp import web

from bench.serving import serve


async def echo(request: web.Request) -> web.Response:
    return web.json_response(await request.json())


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.post("/task", echo)])
    serve(app, run=asyncio.run)
