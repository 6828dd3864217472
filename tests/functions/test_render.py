"""Rendering files, and the service that serves them."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
import psutil
import pypdf
import pytest
from yarl import URL

from functions.chromium import chromium
from functions.render import render
from functions.static_server import ServerDown, StaticServer
from slotgrid.function import InputRefused
from tests.functions.fakes import RecordingContext
from tests.harness.pictures import decode
from worker.pages.errors import ElementMissing, PrintFailed
from worker.pages.inputs import Viewport
from worker.pages.paper import Paper
from worker.pages.pictures import PictureFormat

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


@dataclass(frozen=True)
class Answer:
    """What the file server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def ask(address: str, path: str = "", *, method: str = "GET", **headers: str) -> Answer:
    """Ask a site for a path as it is spelled; Chromium resolves the site's name, Python not."""
    site = URL(address)
    url = URL(f"http://127.0.0.1:{site.port}/{path}", encoded=True)
    headers = {"Host": site.authority, **headers}
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, url, headers=headers, allow_redirects=False) as answer,
    ):
        return Answer(answer.status, answer.headers, await answer.read())


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
    drawn = await decode(serving_context.browser_context, serving_context.saved["render.png"])
    assert drawn.width == 300
    assert drawn.height >= 900


async def test_a_pdf_and_binary_assets(serving_context: RecordingContext) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    rendering = await render(
        serving_context, {"a/b.html": "<title>Paper</title><img src=../c.svg>Printed"},
        assets={"c.svg": svg}, entry="a/b.html", output="pdf",
    )  # fmt: skip
    assert (rendering.title, rendering.complaints) == ("Paper", [])
    paper = pypdf.PdfReader(io.BytesIO(serving_context.saved["render.pdf"]))
    assert paper.pages[0].extract_text() == "Printed"
    assert paper.pages[0].mediabox.width == pytest.approx(595, abs=1)  # A4, as `pdf` has it


async def test_a_pdf_takes_the_paper_of_pdf(serving_context: RecordingContext) -> None:
    paper = Paper(format="A6", landscape=True, footer="{page} of {pages}, {url}", outline=True)
    await render(serving_context, {"a b.html": "<h1>Head</h1>"}, entry="a b.html", output="pdf",
                 paper=paper)  # fmt: skip
    document = pypdf.PdfReader(io.BytesIO(serving_context.saved["render.pdf"]))
    assert document.pages[0].mediabox.width == pytest.approx(420, abs=1)
    assert "1 of 1, a b.html" in document.pages[0].extract_text()
    assert len(document.outline) == 1


async def test_pictures_come_in_all_formats(serving_context: RecordingContext) -> None:
    page = '<body style="margin:0"><p style="height:2000px;margin:0;background:rgb(0,200,0)">'
    outputs: list[PictureFormat] = ["png", "jpeg", "webp"]
    for output in outputs:
        await render(serving_context, {"index.html": page}, output=output, quality=90)
        data = serving_context.saved[f"render.{output}"]
        drawn = await decode(serving_context.browser_context, data, [(5, 1995)])
        assert (drawn.width, drawn.height) == (1280, 2000)
        assert drawn.colours[0][1] == pytest.approx(200, abs=3)
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="1200"/>'
    await render(serving_context, {"a.svg": svg}, entry="a.svg", omit_background=True)
    drawn = await decode(
        serving_context.browser_context, serving_context.saved["render.png"], [(5, 5)]
    )
    assert (drawn.height, drawn.colours) == (1200, [(0, 0, 0, 0)])


async def test_errors_and_missing_files_are_told(serving_context: RecordingContext) -> None:
    page = '<img src="ghost.png"><link rel=stylesheet href=ghost.css>'
    page += '<script>console.error("careful"); nothing();</script>'
    rendering = await render(serving_context, {"index.html": page})
    assert sorted(rendering.complaints) == [
        "careful", "ghost.css: HTTP 404", "ghost.png: HTTP 404", "nothing is not defined",
    ]  # fmt: skip


async def test_a_path_that_leads_out_is_refused(server: StaticServer) -> None:
    for path in ("../x", "/x", "a//b", "a/./b", "..\\x", "", "a\0b"):
        with pytest.raises(ValueError, match=r"is not a relative path with `/`, like"):
            async with server.serving({path: b""}):
                pass
    with pytest.raises(ValueError, match="has a name of 256 bytes in UTF-8; 255 are the most"):
        async with server.serving({f"a/{'ü' * 128}": ""}):
            pass
    for paths in ("a", "a/b"), ("a/b/c", "x", "a/b"):
        with pytest.raises(
            ValueError, match=r"'(a|a/b)' is a file, and the folder of '(a/b|a/b/c)'"
        ):
            async with server.serving(dict.fromkeys(paths, "")):
                pass
    assert list(served_folder(server).iterdir()) == []


async def test_an_entry_that_was_not_given_is_refused(serving_context: RecordingContext) -> None:
    with pytest.raises(ValueError, match=r"'index.html' is not among the files \['a.html'\]"):
        await render(serving_context, {"a.html": ""})


async def test_a_path_that_is_given_twice_is_refused(serving_context: RecordingContext) -> None:
    with pytest.raises(InputRefused, match=r"'a\.css' is in `files` too") as refused:
        await render(serving_context, {"index.html": "", "a.css": ""}, assets={"a.css": b""})
    assert refused.value.field == "assets"


async def test_files_are_served_only_while_they_are_wanted_and_never_listed(
    server: StaticServer,
) -> None:
    async with server.serving({"a.txt": b"here"}) as address:
        assert (await ask(address, "a.txt")).body == b"here"
        name = URL(address).authority.partition(".")[0]
        for path in (
            "", "%2e%2e/%2e%2e/etc/passwd", "../../etc/passwd", "bytes/a.txt",
            f"{name}/bytes/a.txt", "a.txt/", "x" * 300, "%00", "a%2fb",
        ):  # fmt: skip
            missing = await ask(address, path)
            assert (missing.status, missing.body) == (404, b""), path
        for stranger in (f"http://127.0.0.1:{server.port}/", f"http://{'0' * 32}.x:{server.port}/"):
            assert (await ask(stranger, "a.txt")).status == 404
    assert (await ask(address, "a.txt")).status == 404
    assert list(served_folder(server).iterdir()) == []


@pytest.mark.parametrize(
    ("path", "of_text", "of_bytes"),
    [
        ("page.html", "text/html; charset=utf-8", "text/html"),
        ("UPPER.HTM", "text/html; charset=utf-8", "text/html"),
        ("a.mjs", "text/javascript; charset=utf-8", "text/javascript"),
        ("a.svg", "image/svg+xml; charset=utf-8", "image/svg+xml"),
        ("a.json", "application/json; charset=utf-8", "application/json"),
        ("a.webmanifest", "application/manifest+json; charset=utf-8", "application/manifest+json"),
        ("LICENCE", "text/plain; charset=utf-8", "application/octet-stream"),
        ("a.avif", "image/avif", "image/avif"),
        ("a.woff2", "font/woff2", "font/woff2"),
        ("a.wasm", "application/wasm", "application/wasm"),
    ],
)
async def test_text_is_served_as_utf8_and_bytes_without_a_charset(
    server: StaticServer, path: str, of_text: str, of_bytes: str
) -> None:
    async with server.serving({path: "Zoë", f"other/{path}": b"Zo\xeb"}) as address:
        text, data = await ask(address, path), await ask(address, f"other/{path}")
    assert (text.headers["Content-Type"], text.body) == (of_text, "Zoë".encode())
    assert (data.headers["Content-Type"], data.body) == (of_bytes, b"Zo\xeb")


async def test_parts_of_a_file_can_be_asked_for(server: StaticServer) -> None:
    async with server.serving({"film.mp4": b"0123456789"}) as address:
        for asked, status, place, body in (
            ("bytes=2-4", 206, "bytes 2-4/10", b"234"),
            ("bytes=7-", 206, "bytes 7-9/10", b"789"),
            ("bytes=-3", 206, "bytes 7-9/10", b"789"),
            ("bytes=0-99", 206, "bytes 0-9/10", b"0123456789"),
            ("bytes=10-", 416, "bytes */10", b""),
            ("bytes=4-2", 200, None, b"0123456789"),
            ("bytes=0-1,4-5", 200, None, b"0123456789"),
            ("lines=1-2", 200, None, b"0123456789"),
        ):
            part = await ask(address, "film.mp4", Range=asked)
            assert (part.status, part.headers.get("Content-Range")) == (status, place), asked
            assert part.body == body
        head = await ask(address, "film.mp4", method="HEAD")
        assert (head.status, head.headers["Content-Length"], head.body) == (200, "10", b"")


async def test_names_of_files_are_taken_as_they_are(serving_context: RecordingContext) -> None:
    odd = [
        "two words.js",
        "grün.js",
        "100%.js",
        "a#b.js",
        "why?.js",
        "%41.js",
        "Case.js",
        "case.js",
    ]
    page = "<meta charset=utf-8><script>window.seen = []</script>" + "".join(
        f'<script src="{quote(name)}"></script>' for name in odd
    )
    files = {name: f"seen.push({name!r}); document.title = seen.length" for name in odd}
    rendering = await render(serving_context, files | {"the page #1?.html": page},
                             entry="the page #1?.html")  # fmt: skip
    assert (rendering.title, rendering.complaints) == (str(len(odd)), [])


async def test_a_folders_address_gives_its_index(server: StaticServer) -> None:
    async with server.serving({"docs/ä/index.html": "in it"}) as address:
        assert (await ask(address, "docs/%C3%A4/")).body == b"in it"
        moved = await ask(address, "docs/%C3%A4")
    assert (moved.status, moved.headers["Location"]) == (301, "/docs/%C3%A4/")


async def test_addresses_from_the_root_are_the_sites_own(serving_context: RecordingContext) -> None:
    rendering = await render(
        serving_context,
        {
            "app/index.html": '<script type=module src="/lib/a.js"></script><img src="/ghost.png">',
            "lib/a.js": 'import "/lib/b.js"; localStorage.visits = (localStorage.visits ?? 0) + 1;'
            "document.title = `${localStorage.visits} ${location.pathname}`;"
            "document.body.id = 'ready'",
            "lib/b.js": "await (await navigator.serviceWorker.register('/sw.js')).update()",
            "sw.js": "",
        },
        entry="app/index.html",
        wait_for="#ready",
    )
    assert rendering.title == "1 /app/index.html"
    assert rendering.complaints == ["ghost.png: HTTP 404"]


async def test_text_without_a_charset_is_read_as_utf8(serving_context: RecordingContext) -> None:
    text = "Zoë, 日本"
    rendering = await render(
        serving_context,
        {
            "index.html": '<link rel=stylesheet href=a.css><b>Zoë</b><script src="a.js"></script>'
            "<iframe src=a.txt></iframe><iframe src=a.svg></iframe>",
            "a.css": f'b::after {{ content: "{text}" }}',
            "a.js": """addEventListener("load", async () => {
                const bold = document.querySelector("b")
                const frames = [...document.querySelectorAll("iframe")]
                const seen = [document.characterSet, "é", bold.textContent,
                    getComputedStyle(bold, "::after").content,
                    await (await fetch("a.csv")).text(),
                    ...frames.map(one => one.contentDocument.documentElement.textContent)]
                document.title = seen.join("|")
                document.body.id = "ready" })""",
            "a.txt": text,
            "a.csv": text,
            "a.svg": f'<svg xmlns="http://www.w3.org/2000/svg"><text>{text}</text></svg>',
        },
        wait_for="#ready",
    )
    assert rendering.title == f'UTF-8|é|Zoë|"{text}"|{text}|{text}|{text}'


async def test_bytes_say_themselves_what_they_are(serving_context: RecordingContext) -> None:
    for data in (
        "<meta charset=windows-1251><title>Привет</title>".encode("windows-1251"),
        "\ufeff<title>Привет</title>".encode("utf-16-le"),
        "\ufeff<title>Привет</title>".encode(),
    ):
        rendering = await render(serving_context, {"a.js": ""}, assets={"index.html": data})
        assert rendering.title == "Привет"


async def test_an_entry_that_is_no_page_is_refused(serving_context: RecordingContext) -> None:
    for entry in ("a.pdf", "a.csv", "a.woff2", "a.bin"):
        with pytest.raises(ValueError, match=f"'{entry}' .* is no page: render draws HTML"):
            await render(serving_context, {"x": ""}, assets={entry: b"%PDF-"}, entry=entry)
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><title>Drawn</title></svg>'
    drawn = await render(serving_context, {"a.svg": svg}, entry="a.svg", full_page=False)
    assert drawn.title == "Drawn"
    assert (await render(serving_context, {"README": "Read me"}, entry="README")).complaints == []


async def test_a_killed_server_is_noticed_and_starts_again(server: StaticServer) -> None:
    assert (await server.status())["port"] == server.port
    first = served_folder(server)
    assert server._process is not None
    os.kill(server_pid(server), signal.SIGKILL)
    await server._process.wait()
    with pytest.raises(ServerDown, match="has ended"):
        await server.require()
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


async def test_errors_name_files_and_no_address(
    serving_context: RecordingContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pages.elements.FIND_S", 0.2)
    with pytest.raises(ElementMissing, match=r"^index.html showed no element that matches '#no'"):
        await render(serving_context, {"index.html": "<p>Hi"}, wait_for="#no")


async def test_a_picture_that_fails_names_the_file(
    serving_context: RecordingContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pages.paper.PRINT_S", 1.0)
    page = "<script>addEventListener('beforeprint', () => { for (;;); })</script>"
    with pytest.raises(PrintFailed, match=r"^index.html was not printed within 1 s"):
        await render(serving_context, {"index.html": page}, output="pdf")
