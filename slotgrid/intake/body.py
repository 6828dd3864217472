"""The JSON body of a request."""

import codecs
from typing import Any

import orjson
from aiohttp import web

from slotgrid.core.errors import InvalidSubmission, UnsupportedMediaType, Violation
from slotgrid.core.reading import NESTING_LIMIT
from slotgrid.intake.payload import read_body


async def read_json(
    request: web.Request, *, empty: object = None, any_type: bool = False
) -> tuple[Any, int, bool]:
    """A JSON body, its size in bytes, and whether nothing in it can be nested too deep.

    `empty` is the value of a request without a body. `any_type` reads the body as JSON whatever
    its content type, for clients of other systems, which often send none or that of a form.
    Raises UnsupportedMediaType for another content type or a compressed body, BodyTooLarge,
    InvalidSubmission for what is not JSON.
    """
    raw = await read_body(request)
    if not raw and empty is not None:
        return empty, 0, True
    if not any_type and request.headers.get("Content-Type") != "application/json":
        kind = request.content_type
        if kind != "application/json" and not kind.endswith("+json"):
            raise UnsupportedMediaType(
                f"the body's content type is {kind}; send JSON with "
                "`Content-Type: application/json`"
            )
    try:
        # Counting brackets is cheap, and with fewer than that nothing can stand so deep.
        shallow = raw.count(b"{") + raw.count(b"[") <= NESTING_LIMIT
        return orjson.loads(raw.removeprefix(codecs.BOM_UTF8)), len(raw), shallow
    except orjson.JSONDecodeError as cause:
        message = f"the body is not JSON: {cause}"
        raise InvalidSubmission(message, errors=[Violation("", message)]) from cause
