"""Files as answers, to callers who do not stay."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from slotgrid.intake.file_response import FileAnswer
from tests.harness.waiting import until

GIVE_UP_S = 20.0


async def test_a_caller_who_hangs_up_while_a_file_is_opened_leaves_it_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aiohttp_server: AiohttpServer
) -> None:
    file = tmp_path / "page.txt"
    file.write_text("a page")
    loop, begun, go = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    opened: list[Any] = []
    asked: list[web.Request] = []
    # The one place where aiohttp opens a file, in a thread: here it takes until the test says so.
    open_it = web.FileResponse._make_response

    def slowly(self: web.FileResponse, request: Any, encodings: str) -> Any:
        result = open_it(self, request, encodings)
        opened.append(result[1])
        loop.call_soon_threadsafe(begun.set)
        go.wait(GIVE_UP_S)
        return result

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return FileAnswer(file)

    monkeypatch.setattr(web.FileResponse, "_make_response", slowly)
    app = web.Application()
    app.router.add_get("/", answer)
    server = await aiohttp_server(app)
    _, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    await begun.wait()
    writer.transport.abort()
    await until(lambda: asked[0].transport is None, GIVE_UP_S)
    assert not opened[0].closed
    go.set()
    await until(lambda: opened[0].closed, GIVE_UP_S)
