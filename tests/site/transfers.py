"""Bodies out of the ordinary: downloads, slow and endless ones, live channels, size, encodings."""

import asyncio
from contextlib import suppress
from itertools import count
from typing import NamedTuple

from aiohttp import WSMsgType, hdrs, web

from tests.site.markup import SENT, answer, closed_within, document, until_closed

KIB, MIB = 1024, 1024 * 1024
SMALL_CSV = "name,price\nLamp no. 5,11.25\nChair no. 6,12.50\n"


class Sample(NamedTuple):
    """A text in an encoding that is not UTF-8."""

    language: str
    text: str


SAMPLES = {
    "windows-1251": Sample("ru", "Съешь ещё этих мягких французских булок"),
    "shift_jis": Sample("ja", "いろはにほへと ちりぬるを"),
    "iso-8859-1": Sample("fr", "Voix ambiguë d'un cœur déjà naïf".replace("œ", "oe")),
}


def _attachment(name: str) -> web.StreamResponse:
    return web.StreamResponse(
        headers={
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
            hdrs.CONTENT_TYPE: "application/octet-stream",
        }
    )


async def small(_request: web.Request) -> web.Response:
    """Download a small file."""
    headers = {hdrs.CONTENT_DISPOSITION: 'attachment; filename="small.csv"'}
    return web.Response(text=SMALL_CSV, content_type="text/csv", headers=headers)


async def large(request: web.Request) -> web.StreamResponse:
    """Download `?size_mb=20` of zeros, with its length."""
    size_mb = int(request.query.get("size_mb", "20"))
    response = _attachment("large.bin")
    response.content_length = size_mb * MIB
    await response.prepare(request)
    with suppress(ConnectionError):
        for _ in range(size_mb):
            await response.write(bytes(MIB))
            request.app[SENT][request.path] += MIB
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    """Download without end, about 6 MiB a second."""
    response = _attachment("endless.bin")
    await response.prepare(request)
    with suppress(ConnectionError):
        while not await closed_within(request, 0.01):
            await response.write(bytes(64 * KIB))
            request.app[SENT][request.path] += 64 * KIB
    return response


async def hang(request: web.Request) -> web.Response:
    """Never answer, not even with headers."""
    await until_closed(request)
    return web.Response(status=503)


async def stalled_body(request: web.Request) -> web.StreamResponse:
    """Send half of a page, then nothing more."""
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/html; charset=utf-8"})
    await response.prepare(request)
    await response.write(document("Half a page", "<p>The first half</p>").encode()[:-20])
    await until_closed(request)
    return response


async def endless_body(request: web.Request) -> web.StreamResponse:
    """Send a page that grows by a paragraph every 50 ms."""
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/html; charset=utf-8"})
    await response.prepare(request)
    with suppress(ConnectionError):
        await response.write(b"<!doctype html><title>Growing</title>" + b" " * KIB)
        for number in count():
            await response.write(f"<p>Paragraph {number}</p>\n".encode())
            if await closed_within(request, 0.05):
                break
    return response


async def hanging_image(_request: web.Request) -> web.Response:
    """A page that is all there, but whose picture never comes: it never fires `load`."""
    return answer("Waiting for a picture", '<p id="text">All here</p><img src="/slow/hang" alt="">')


async def events(request: web.Request) -> web.StreamResponse:
    """Server-sent events: numbers, one every 50 ms, `?count=` of them or without end."""
    response = web.StreamResponse(
        headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-cache"}
    )
    await response.prepare(request)
    numbers = range(int(request.query["count"])) if "count" in request.query else count()
    with suppress(ConnectionError):
        for number in numbers:
            await response.write(f"id: {number}\ndata: {number}\n\n".encode())
            if await closed_within(request, 0.05):
                break
    return response


async def socket(request: web.Request) -> web.WebSocketResponse:
    """Answer every text with itself."""
    channel = web.WebSocketResponse()
    await channel.prepare(request)

    async def close_with_the_site() -> None:
        await until_closed(request)
        await channel.close()

    closing = asyncio.create_task(close_with_the_site(), name="site-socket-closing")
    try:
        async for message in channel:
            if message.type is WSMsgType.TEXT:
                await channel.send_str(f"echo: {message.data}")
    finally:
        closing.cancel()
    return channel


async def large_page(request: web.Request) -> web.Response:
    """A page of `?size_mb=10`."""
    size_mb = int(request.query.get("size_mb", "10"))
    paragraph = f"<p>{'The quick brown fox jumps over the lazy dog. ' * 22}</p>\n"
    return answer("Large page", paragraph * (size_mb * MIB // len(paragraph) + 1))


async def long_page(request: web.Request) -> web.Response:
    """A page `?height_px=6000` tall, in bands of 500 px whose colours tell them apart."""
    height_px = int(request.query.get("height_px", "6000"))
    bands = "".join(
        f'<div style="height:500px;background:hsl({top // 10 % 360} 70% 60%)">{top} px</div>'
        for top in range(0, height_px, 500)
    )
    return answer("Long page", bands, head="<style>body{margin:0}</style>")


async def encoded(request: web.Request) -> web.Response:
    """A page in another encoding, told by the header or only by the page's own head."""
    charset, told_by = request.match_info["charset"], request.match_info["told_by"]
    if charset not in SAMPLES:
        raise web.HTTPNotFound(text="no sample in that encoding")
    sample = SAMPLES[charset]
    meta = f'<meta charset="{charset}">' if told_by == "meta" else ""
    page = (
        f'<!doctype html><html lang="{sample.language}"><head>{meta}<title>{sample.text}</title>'
        f"</head><body><p>{sample.text}</p></body></html>"
    )
    content_type = "text/html" + (f"; charset={charset}" if told_by == "header" else "")
    return web.Response(body=page.encode(charset), headers={hdrs.CONTENT_TYPE: content_type})


ROUTES = (
    web.get("/downloads/small.csv", small),
    web.get("/downloads/large.bin", large),
    web.get("/downloads/endless.bin", endless),
    web.get("/slow/hang", hang),
    web.get("/slow/stalled-body", stalled_body),
    web.get("/slow/endless-body", endless_body),
    web.get("/slow/hanging-image", hanging_image),
    web.get("/events", events),
    web.get("/socket", socket),
    web.get("/large", large_page),
    web.get("/long", long_page),
    web.get("/encoded/{charset}/{told_by:header|meta}", encoded),
)
