"""Rendering files, and the service that serves them."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pypdf
import pytest

from functions.chromium import chromium
from functions.render import render
from functions.static_server import ServerDown, StaticServer
from tests.functions.fakes import RecordingContext
from tests.functions.test_pages import png_size
from worker.pages.inputs import Viewport

MODULES = {
    "index.html": '<link rel="stylesheet" href="css/page.css"><p>Hi</p>'
    '<script type="module" src="js/main.mjs"></script>',
    "css/page.css": "body { margin: 0; height: 900px; background: red }",
    "js/main.mjs": 'import { title } from "./title.mjs";'
    'document.title = title + (await (await fetch("data.json")).json()).suffix;'
    'document.body.insertAdjacentHTML("beforeend", "<b id=ready>ready</b>");',
    "js/title.mjs": 'export const title = "Modules";',
    "data.json": '{"suffix": " work"}',
}


@pytest.fixture
async def server() -> AsyncIterator[StaticServer]:
    """The service while it runs; afterwards nothing of it is left."""
    server = StaticServer()
    await server.start()
    pid, folder = server_pid(server), served_folder(server)
    try:
        yield server
    finally:
        await server.stop()
    assert not psutil.pid_exists(pid)
    assert not folder.exists()


def server_pid(server: StaticServer) -> int:
    assert server._process is not None
    return server._process.pid


async def answer_of(client: aiohttp.ClientSession, address: str) -> tuple[int, bytes]:
    """Status and body, with the connection given back."""
    async with client.get(address) as answer:
        return answer.status, await answer.read()


def served_folder(server: StaticServer) -> Path:
    assert server._folder is not None
    return server._folder


@pytest.fixture
def serving_context(context: RecordingContext, server: StaticServer) -> RecordingContext:
    """A context whose worker runs the service."""
    context.services = {"static_server": server}
    return context


async def test_styles_modules_and_fetched_data_work(serving_context: RecordingContext) -> None:
    rendering = await render(
        serving_context, MODULES, viewport=Viewport(300, 200), wait_for="#ready"
    )
    assert (rendering.title, rendering.complaints) == ("Modules work", [])
    assert png_size(serving_context.saved["render.png"])[0] == 300
    assert png_size(serving_context.saved["render.png"])[1] >= 900


async def test_a_pdf_and_binary_assets(serving_context: RecordingContext) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    rendering = await render(
        serving_context, {"a/b.html": "<title>Paper</title><img src=../c.svg>Printed"},
        assets={"c.svg": svg}, entry="a/b.html", output="pdf",
    )  # fmt: skip
    assert (rendering.title, rendering.complaints) == ("Paper", [])
    paper = pypdf.PdfReader(io.BytesIO(serving_context.saved["render.pdf"]))
    assert paper.pages[0].extract_text() == "Printed"


async def test_errors_and_missing_files_are_told(serving_context: RecordingContext) -> None:
    page = '<img src="ghost.png"><script>console.error("careful"); nothing();</script>'
    rendering = await render(serving_context, {"index.html": page})
    assert sorted(rendering.complaints) == [
        "careful", "ghost.png: HTTP 404", "nothing is not defined",
    ]  # fmt: skip


async def test_a_path_that_leads_out_is_refused(server: StaticServer) -> None:
    for path in ("../x", "/x", "a//b", "a/./b", "..\\x", "", "a\0b"):
        with pytest.raises(ValueError, match="is not a path like"):
            async with server.serving({path: b""}):
                pass
    assert list(served_folder(server).iterdir()) == []


async def test_an_entry_that_was_not_given_is_refused(serving_context: RecordingContext) -> None:
    with pytest.raises(ValueError, match=r"'index.html' is not among the files \['a.html'\]"):
        await render(serving_context, {"a.html": ""})


async def test_files_are_served_only_while_they_are_wanted_and_never_listed(
    server: StaticServer,
) -> None:
    async with aiohttp.ClientSession() as client:
        async with server.serving({"a.txt": b"here"}) as address:
            assert await answer_of(client, f"{address}a.txt") == (200, b"here")
            for path in (
                address,
                address.rsplit("/", 2)[0] + "/",
                f"{address}%2e%2e/%2e%2e/etc/passwd",
            ):
                assert (await answer_of(client, path))[0] == 404
        assert (await answer_of(client, f"{address}a.txt"))[0] == 404
    assert list(served_folder(server).iterdir()) == []


async def test_a_killed_server_is_noticed_and_starts_again(server: StaticServer) -> None:
    assert (await server.status())["port"] == server.port
    first = served_folder(server)
    assert server._process is not None
    os.kill(server_pid(server), signal.SIGKILL)
    await server._process.wait()
    with pytest.raises(ServerDown, match="has ended"):
        await server.status()
    with pytest.raises(ServerDown, match="is not running"):
        async with server.serving({"a.txt": b""}):
            pass
    await server.stop()
    assert not first.exists()
    await server.start()
    assert (await server.status())["pid"] == server_pid(server)


async def test_a_stopped_server_is_noticed_and_can_be_ended(
    server: StaticServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.static_server.STOP_S", 0.2)
    os.kill(server_pid(server), signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        await server.status()
    await server.stop()  # and the fixture sees that neither process nor folder is left


async def test_the_server_does_not_outlive_its_worker() -> None:
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c",
        "import asyncio\n"
        "from functions.static_server import ServerDown, StaticServer\n"
        "async def main():\n"
        "    server = StaticServer()\n"
        "    await server.start()\n"
        "    print(server._process.pid, server._folder, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert worker.stdout is not None
    pid, folder = (await worker.stdout.readline()).decode().split()
    child = psutil.Process(int(pid))
    worker.kill()
    await worker.wait()
    await asyncio.to_thread(psutil.wait_procs, [child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not Path(folder).exists()


def test_the_tag_tells_the_browsers_version() -> None:
    class Node:
        name = "here"
        browser_version: str | None = "Chromium 156.0.1"

    node = Node()
    assert chromium(node) == "Chromium 156.0.1"
    node.browser_version = None
    assert chromium(node) == "none could be started"
