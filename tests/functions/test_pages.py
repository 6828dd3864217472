"""Opening pages: titles, and what is said when there is no page."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from functions.extract import extract
from functions.hello import Greeting, hello
from functions.page_text import page_text
from functions.page_title import Title, page_title
from functions.pdf import pdf
from functions.screenshot import screenshot
from tests.functions.fakes import RecordingContext
from tests.site.fixtures import Site
from worker.pages.errors import PageUnreachable


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


async def test_all_functions_follow_a_page_that_moves_on_and_use_one_that_never_loads(
    context: RecordingContext, site: Site
) -> None:
    calls: dict[str, Callable[..., Awaitable[Any]]] = {
        "page_title": page_title,
        "page_text": page_text,
        "pdf": pdf,
        "screenshot": screenshot,
        "extract": partial(extract, item="head", fields={"title": "title"}),
    }
    for name, call in calls.items():
        opened = await call(context, site.at("/moving/timer"))
        assert (opened.loaded, opened.pending) == (True, []), name
        if name == "extract":
            assert opened.records == [{"title": "Arrived"}]
        else:
            assert (opened.title, opened.status) == ("Arrived", 200), name
        opened = await call(context, site.at("/slow/hanging-image"), load_timeout_s=0.2)
        assert (opened.loaded, opened.pending) == (False, [site.at("/slow/hang")]), name


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
