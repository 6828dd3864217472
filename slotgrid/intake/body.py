"""Reading a request: its JSON body, and the query parameters of lists."""

from typing import Any

import orjson
from aiohttp import web

from slotgrid.core.errors import InvalidSubmission, UnsupportedMediaType, Violation
from slotgrid.core.reading import NESTING_LIMIT

LIMIT_DEFAULT = 50
LIMIT_MOST = 1000


async def read_json(request: web.Request, *, empty: object = None) -> tuple[Any, int, bool]:
    """A JSON body, its size in bytes, and whether nothing in it can be nested too deep.

    `empty` stands for a body of none.
    Raises UnsupportedMediaType for another content type, InvalidSubmission for what is not JSON.
    """
    raw = await request.read()
    if not raw and empty is not None:
        return empty, 0, True
    if request.headers.get("Content-Type") != "application/json":
        kind = request.content_type
        if kind != "application/json" and not kind.endswith("+json"):
            raise UnsupportedMediaType(
                f"the body's content type is {kind}; send JSON with "
                "`Content-Type: application/json`"
            )
    try:
        # Counting brackets is cheap, and with fewer than that nothing can stand so deep.
        shallow = raw.count(b"{") + raw.count(b"[") <= NESTING_LIMIT
        return orjson.loads(raw), len(raw), shallow
    except orjson.JSONDecodeError as cause:
        message = f"the body is not JSON: {cause}"
        raise InvalidSubmission(message, errors=[Violation("", message)]) from cause


def paging(request: web.Request) -> tuple[int, int]:
    """`limit` and `offset` of the query. Raises InvalidSubmission."""
    return (
        whole(request, "limit", LIMIT_DEFAULT, least=1, most=LIMIT_MOST),
        whole(request, "offset", 0, least=0, most=2**31),
    )


def whole(request: web.Request, name: str, default: int, *, least: int, most: int) -> int:
    """A whole number from the query. Raises InvalidSubmission."""
    text = request.query.get(name)
    if text is None:
        return default
    if not text.lstrip("-").isdecimal() or not least <= int(text) <= most:
        raise bad_parameter(name, f"expected a whole number from {least} to {most}, got {text!r}")
    return int(text)


def seconds(request: web.Request, name: str, *, most: float) -> float | None:
    """A number of seconds from the query, None when it is not given. Raises InvalidSubmission."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise bad_parameter(name, f"expected seconds from 0 to {most:g}, got {text!r}")
    return value


def flag(request: web.Request, name: str) -> bool:
    """Whether a query parameter says yes: `true`, `1`, or nothing behind its name."""
    text = request.query.get(name)
    if text is None or text.lower() in {"false", "0", "no"}:
        return False
    if text.lower() in {"true", "1", "yes", ""}:
        return True
    raise bad_parameter(name, f"expected true or false, got {text!r}")


def bad_parameter(name: str, message: str) -> InvalidSubmission:
    """The error for a query parameter that cannot be used."""
    return InvalidSubmission(f"?{name}: {message}", errors=[Violation(f"?{name}", message)])
