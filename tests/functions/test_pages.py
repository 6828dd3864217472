"""Opening pages: titles, pictures, paper, and what is said when there is no page."""

import asyncio
import io
import struct

import pypdf
import pytest

from functions.hello import Greeting, hello
from functions.page_title import Title, page_title
from functions.pdf import pdf
from functions.screenshot import screenshot
from tests.functions.fakes import RecordingContext
from tests.site.fixtures import Site
from worker.pages.errors import ElementMissing, PageUnreachable
from worker.pages.inputs import Viewport


def png_size(picture: bytes) -> tuple[int, int]:
    """Width and height of a PNG, from its first chunk."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def jpeg_size(picture: bytes) -> tuple[int, int]:
    """Width and height of a JPEG, from its frame header."""
    at = next(i for i in range(len(picture)) if picture[i : i + 2] in {b"\xff\xc0", b"\xff\xc2"})
    height, width = struct.unpack(">HH", picture[at + 5 : at + 9])
    return width, height


async def test_hello_streams_what_it_returns_and_opens_no_page(context: RecordingContext) -> None:
    assert await hello(context, name="Ada") == Greeting("Hello, Ada!")
    assert "".join(context.chunks) == "Hello, Ada!"
    assert await hello(context) == Greeting("Hello, World!")
    assert context.browser_context.pages == []


async def test_a_title_comes_with_status_and_the_address_after_redirects(
    context: RecordingContext, site: Site
) -> None:
    for path in ("/redirect/301", "/redirect/chain/3", "/redirect/script"):
        assert await page_title(context, site.at(path)) == Title(
            "Arrived", site.at("/arrived"), 200, loaded=True, pending=[]
        )
    missing = await page_title(context, site.at("/status/404"))
    assert (missing.title, missing.status) == ("Status 404", 404)
    assert (await page_title(context, site.at("/status/500"))).status == 500


async def test_a_page_that_renders_late_is_waited_for(
    context: RecordingContext, site: Site
) -> None:
    late = await page_title(context, site.at("/pages/late.html"), wait_for="#items .item")
    assert late.title == "Rendered late"
    with pytest.raises(ValueError, match=r"'li\[' is not a valid selector"):
        await page_title(context, site.at("/pages/late.html"), wait_for="li[")


async def test_an_address_without_a_page_says_so_in_one_sentence(
    context: RecordingContext, site: Site
) -> None:
    for path, why in {
        "/downloads/small.csv": "a download, not with a page",
        "/redirect/loop": "redirects without end",
        "/status/204": "nothing to show",
    }.items():
        with pytest.raises(PageUnreachable, match=why) as raised:
            await page_title(context, site.at(path))
        assert site.at(path) in str(raised.value)
        assert "\n" not in str(raised.value)
        await (await context.page()).close()


async def test_a_host_that_cannot_be_reached_is_told_why(context: RecordingContext) -> None:
    async def speak_another_protocol(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-none\r\n")
        writer.close()

    stranger = await asyncio.start_server(speak_another_protocol, "127.0.0.1", 0)
    closed = await asyncio.start_server(speak_another_protocol, "127.0.0.1", 0)
    strange, free = (one.sockets[0].getsockname()[1] for one in (stranger, closed))
    closed.close()
    await closed.wait_closed()
    for url, why in {
        f"http://127.0.0.1:{free}/": r"nothing listens there \(ERR_CONNECTION_REFUSED\)",
        f"http://127.0.0.1:{strange}/": r"its answer is not HTTP \(ERR_INVALID_HTTP_RESPONSE\)",
        "http://no-such-host.invalid/": r"its host name is not known \(ERR_NAME_NOT_RESOLVED\)",
        "http://127.0.0.1:6000/": r"browsers refuse that port \(ERR_UNSAFE_PORT\)",
        "http://": "not a valid URL",
    }.items():
        with pytest.raises(PageUnreachable, match=why):
            await page_title(context, url)
        await (await context.page()).close()
    stranger.close()
    await stranger.wait_closed()


async def test_a_picture_has_the_size_of_the_window_the_page_or_the_element(
    context: RecordingContext, site: Site
) -> None:
    long = site.at("/long?height_px=3000")
    shot = await screenshot(context, long, viewport=Viewport(640, 400))
    assert png_size(context.saved["screenshot.png"]) == (640, 400)
    assert (shot.title, shot.status, shot.artifact.name) == ("Long page", 200, "screenshot.png")
    await screenshot(context, long, full_page=True)
    assert png_size(context.saved["screenshot.png"]) == (640, 3000)
    await screenshot(context, long, selector="div", format="jpeg", quality=50)
    assert jpeg_size(context.saved["screenshot.jpeg"]) == (640, 500)
    await screenshot(context, site.at("/pages/late.html"), wait_for="#items", delay_s=0.05)


async def test_an_element_that_never_comes_is_named(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pages.elements.FIND_S", 0.2)
    with pytest.raises(ElementMissing, match=r"no element that matches '#ghost' within 0.2 s"):
        await screenshot(context, site.at("/arrived"), selector="#ghost")


async def test_a_pdf_is_printed_with_the_print_style(context: RecordingContext, site: Site) -> None:
    document = await pdf(context, site.at("/pages/print.html"))
    paper = pypdf.PdfReader(io.BytesIO(context.saved["page.pdf"]))
    assert (document.title, document.status) == ("On paper", 200)
    assert [page.extract_text().split()[-2:] for page in paper.pages] == [
        ["First", "sheet"],
        ["Second", "sheet"],
        ["Third", "sheet"],
    ]
    first = paper.pages[0]
    assert "Only on paper" in first.extract_text()
    assert "screen" not in first.extract_text()
    assert first.mediabox.width == pytest.approx(420, abs=2)  # A5, by the page's own @page rule

    await pdf(context, site.at("/pages/print.html"), prefer_css_size=False, pages="2-3")
    paper = pypdf.PdfReader(io.BytesIO(context.saved["page.pdf"]))
    assert len(paper.pages) == 2
    assert paper.pages[0].mediabox.width == pytest.approx(595, abs=2)  # A4
    await pdf(context, site.at("/pages/article.html"), landscape=True)
    paper = pypdf.PdfReader(io.BytesIO(context.saved["page.pdf"]))
    assert paper.pages[0].mediabox.width == pytest.approx(842, abs=2)  # A4 on its side
