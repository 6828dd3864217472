"""The JSON body of a request."""

import codecs
from typing import Any

import orjson
from aiohttp import web

from slotgrid.core.errors import InvalidSubmission, UnsupportedMediaType, Violation
from slotgrid.intake.raw_body import read_body


async def read_json(
    request: web.Request, *, empty: object = None, any_type: bool = False
) -> tuple[Any, int]:
    """A JSON body and its size in bytes.

    `empty` is the value of a request without a body. `any_type` ignores the content type: clients
    of other systems often send none or that of a form. Raises UnsupportedMediaType for another
    content type or a compressed body, BodyTooLarge, InvalidSubmission if the body is not JSON.
    """
    raw = await read_body(request)
    if not raw and empty is not None:
        return empty, 0
    if not any_type and request.headers.get("Content-Type") != "application/json":
        kind = request.content_type
        if kind != "application/json" and not kind.endswith("+json"):
            raise UnsupportedMediaType(
                f"the body's content type is {kind}; send JSON with "
                "`Content-Type: application/json`"
            )
    try:
        return orjson.loads(raw.removeprefix(codecs.BOM_UTF8)), len(raw)
    except orjson.JSONDecodeError as cause:
        message = f"the body is not JSON: {cause}"
        raise InvalidSubmission(message, errors=[Violation("", message)]) from cause
