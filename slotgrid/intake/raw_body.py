"""Receives a request's body, up to a size limit, and refuses compressed bodies."""

from aiohttp import web

from slotgrid.core.errors import BodyTooLarge, InvalidSubmission, UnsupportedMediaType
from slotgrid.intake.server_connections import EXPECTS_CONTINUE


async def read_body(request: web.Request, *, most: int | None = None) -> bytes:
    """The body, of at most `most` bytes (None: the node's limit).

    Raises UnsupportedMediaType for a compressed body, before reading it; BodyTooLarge, before
    reading if `Content-Length` exceeds the limit; InvalidSubmission for invalid HTTP framing.
    """
    limit = request.client_max_size if most is None else most
    _check_encoding(request)
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    if request.get(EXPECTS_CONTINUE):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # no byte of the answer itself has been sent
    body = bytearray()
    try:
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > limit:
                raise _too_large(limit)
    except web.RequestPayloadError as cause:
        raise InvalidSubmission("the body cannot be read: its framing is broken") from cause
    return bytes(body)


def _check_encoding(request: web.Request) -> None:
    encodings = ",".join(request.headers.getall("Content-Encoding", ())).lower().split(",")
    unknown = {encoding.strip() for encoding in encodings} - {"", "identity"}
    if unknown:
        raise UnsupportedMediaType(
            f"the body's content encoding is {', '.join(sorted(unknown))}; send it uncompressed, "
            "without `Content-Encoding`"
        )


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limit} bytes, which is the limit")
