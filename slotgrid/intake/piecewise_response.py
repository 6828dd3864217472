"""Answers that send a file as its pieces arrive from another store or machine."""

from collections.abc import AsyncIterator, Mapping

from aiohttp import hdrs, web

from slotgrid.intake.problems import BEGUN


async def send_pieces(
    request: web.Request,
    headers: Mapping[str, str],
    size: int | None,
    pieces: AsyncIterator[bytes],
) -> web.StreamResponse:
    """Send the file, or the range of it that is requested; `size` is None if it is unknown."""
    part = _requested(request, size)
    if part is None:
        return web.Response(status=416, headers={hdrs.CONTENT_RANGE: f"bytes */{size}"})
    response = web.StreamResponse(headers=headers)
    response.content_length = size
    if size is not None:
        response.headers[hdrs.ACCEPT_RANGES] = "bytes"
    if size is not None and part.start is not None:
        response.set_status(206)
        response.content_length = part.stop - part.start
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {part.start}-{part.stop - 1}/{size}"
        pieces = _part(pieces, part.start, part.stop)
    request[BEGUN] = True
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response


def _requested(request: web.Request, size: int | None) -> slice | None:
    """First byte and end of the requested range, without both for the whole file.

    None if the range lies outside of the file. With `If-Range` the whole file is sent: there is no
    date to compare.
    """
    whole = slice(None, None)
    if size is None or hdrs.IF_RANGE in request.headers:
        return whole
    try:
        asked = request.http_range
    except ValueError:  # as for a file on disk
        return None
    if asked.start is None:
        return whole
    start = max(0, size + asked.start) if asked.start < 0 else asked.start
    stop = size if asked.stop is None else min(asked.stop, size)
    return slice(start, stop) if start < size else None


async def _part(pieces: AsyncIterator[bytes], start: int, stop: int) -> AsyncIterator[bytes]:
    position = 0
    async for piece in pieces:
        end = position + len(piece)
        if end > start:
            yield piece[max(0, start - position) : stop - position]
        position = end
        if position >= stop:
            return
