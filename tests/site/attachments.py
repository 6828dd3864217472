"""Files that a page sends, each in another way: `/sent/{how}`, linked from `/sending/{how}`."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from contextlib import suppress
from html import escape
from urllib.parse import quote

from aiohttp import hdrs, web

from tests.site.markup import answer, closed_within

REPORT = b"\x89\r\n\x00name,price\r\n" * 5000
"""Contents that differ when somebody reads them as text."""


def attachment(name: str) -> dict[str, str]:
    """The header of a file with that name, by RFC 6266."""
    return {
        hdrs.CONTENT_DISPOSITION: f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        hdrs.CONTENT_TYPE: "application/octet-stream",
    }


async def whole(request: web.Request) -> web.StreamResponse:
    """The report, under `?name=`."""
    return web.Response(body=REPORT, headers=attachment(request.query.get("name", "Report.pdf")))


async def empty(_request: web.Request) -> web.StreamResponse:
    """A file of no bytes."""
    return web.Response(body=b"", headers=attachment("empty.txt"))


async def compressed(_request: web.Request) -> web.StreamResponse:
    """The report, compressed on its way."""
    headers = attachment("compressed.csv") | {hdrs.CONTENT_ENCODING: "gzip"}
    return web.Response(body=gzip.compress(REPORT), headers=headers)


async def chunked(request: web.Request) -> web.StreamResponse:
    """The report in pieces, without its length."""
    response = web.StreamResponse(headers=attachment("chunked.bin"))
    await response.prepare(request)
    for start in range(0, len(REPORT), 7000):
        await response.write(REPORT[start : start + 7000])
    return response


async def broken(request: web.Request) -> web.StreamResponse:
    """Half of what was announced, then the connection ends."""
    response = web.StreamResponse(headers=attachment("broken.bin"))
    response.content_length = len(REPORT)
    await response.prepare(request)
    await response.write(REPORT[: len(REPORT) // 2])
    await asyncio.sleep(0.2)
    assert request.transport is not None
    request.transport.close()
    return response


async def trickling(request: web.Request) -> web.StreamResponse:
    """A byte now and then, without end."""
    response = web.StreamResponse(headers=attachment("trickling.bin"))
    await response.prepare(request)
    with suppress(ConnectionError):
        while not await closed_within(request, 0.05):
            await response.write(b".")
    return response


WAYS: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
    way.__name__: way for way in (whole, empty, compressed, chunked, broken, trickling)
}


async def sent(request: web.Request) -> web.StreamResponse:
    """Send a file in one of the ways."""
    return await WAYS[request.match_info["how"]](request)


async def each(_request: web.Request) -> web.Response:
    """A page with links to files of every kind, of which one does not exist."""
    links = (
        '<a class="file" href="/sent/whole?name=Report.pdf">A report</a>'
        '<a class="file" href="/sent/whole?name=Report.pdf" target="_blank">The same</a>'
        '<a class="file" href="/nowhere">Nothing</a>'
        '<a class="file" href="/catalogue" download="page.html">A page</a>'
        '<a class="file" href="data:text/plain,hello" download="hello.txt">Data</a>'
        '<a class="file" id="blob" download="blob.txt">A blob</a>'
        "<script>document.getElementById('blob').href ="
        " URL.createObjectURL(new Blob(['blobby']))</script>"
    )
    return answer("Files", links)


async def sending(request: web.Request) -> web.Response:
    """A page with a link to that file."""
    path = escape(f"/sent/{request.match_info['how']}?{request.query_string}")
    return answer("Sending", f'<a href="{path}">The file</a>')


ROUTES = (
    web.get("/sent/{how}", sent),
    web.get("/sending/each", each),
    web.get("/sending/{how}", sending),
)
