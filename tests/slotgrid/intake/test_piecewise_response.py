"""A file that arrives in pieces: the whole of it, a range, or only its headers."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.intake.piecewise_response import send_pieces

CONTENT = bytes(range(250))


async def file(sizes: list[int]) -> AsyncIterator[bytes]:
    start = 0
    for size in sizes:
        yield CONTENT[start : start + size]
        start += size


@pytest.mark.parametrize("sizes", [[250], [1] * 250, [100, 0, 100, 50], [249, 1]])
@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=99-100", 99, 101),
        ("bytes=100-199", 100, 200),
        ("bytes=249-", 249, 250),
        ("bytes=10-9999", 10, 250),
        ("bytes=-1", 249, 250),
        ("bytes=-9999", 0, 250),
        ("bytes=0-", 0, 250),
    ],
)
async def test_a_range_is_cut_from_the_pieces(
    aiohttp_client: AiohttpClient, sizes: list[int], asked: str, start: int, stop: int
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await send_pieces(request, {"X-Kept": "yes"}, 250, file(sizes))

    app = web.Application()
    app.router.add_get("/", answer)
    client = await aiohttp_client(app)
    async with client.get("/", headers={"Range": asked}) as part:
        assert (part.status, await part.read()) == (206, CONTENT[start:stop])
        assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/250"
        assert part.headers["X-Kept"] == "yes"
    async with client.head("/", headers={"Range": asked}) as head:
        assert (head.status, head.headers["Content-Length"]) == (206, str(stop - start))


@pytest.mark.parametrize(
    ("headers", "size", "status"),
    [
        ({}, 250, 200),
        ({"Range": "bytes=250-"}, 250, 416),
        ({"Range": "bytes=9-3"}, 250, 416),
        ({"Range": "lines=1-2"}, 250, 416),
        ({"Range": "bytes=0-3", "If-Range": '"a tag"'}, 250, 200),
        ({"Range": "bytes=0-3"}, None, 200),
    ],
)
async def test_the_whole_file_is_sent_or_the_range_refused(
    aiohttp_client: AiohttpClient, headers: dict[str, str], size: int | None, status: int
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await send_pieces(request, {}, size, file([100, 150]))

    app = web.Application()
    app.router.add_get("/", answer)
    client = await aiohttp_client(app)
    async with client.get("/", headers=headers) as got:
        assert got.status == status
        if status == 416:
            assert got.headers["Content-Range"] == "bytes */250"
        else:
            assert await got.read() == CONTENT
            assert got.headers.get("Accept-Ranges") == ("bytes" if size else None)
