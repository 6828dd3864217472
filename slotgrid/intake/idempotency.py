"""The header `Idempotency-Key`, and what tells one body from another."""

import hashlib

import orjson
from aiohttp import web

from slotgrid.core.errors import InvalidSubmission, Violation

HEADER = "Idempotency-Key"
LENGTH_MOST = 255


def idempotency_key(request: web.Request) -> str | None:
    """The request's key; None when it has none. Raises InvalidSubmission."""
    keys = request.headers.getall(HEADER, [])
    if not keys:
        return None
    if len(keys) > 1 or not 1 <= len(keys[0]) <= LENGTH_MOST or not keys[0].isprintable():
        message = f"expected one key of 1 to {LENGTH_MOST} printable characters"
        raise InvalidSubmission(f"{HEADER}: {message}", errors=[Violation(HEADER, message)])
    return keys[0]


def hash_of(body: object) -> str:
    """The same for bodies that say the same, whatever the order of their members."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
