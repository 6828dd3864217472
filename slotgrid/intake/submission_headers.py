"""The headers of a submission: `Idempotency-Key` and the trace headers."""

from aiohttp import web

from slotgrid.core.errors import InvalidSubmission, Violation

IDEMPOTENCY_KEY = "Idempotency-Key"
LENGTH_MOST = 255


def idempotency_key(request: web.Request) -> str | None:
    """The request's idempotency key, or None. Raises InvalidSubmission for an invalid key."""
    keys = request.headers.getall(IDEMPOTENCY_KEY, [])
    if not keys:
        return None
    if len(keys) > 1 or not 1 <= len(keys[0]) <= LENGTH_MOST or not keys[0].isprintable():
        message = f"expected one key of 1 to {LENGTH_MOST} printable characters"
        errors = [Violation(IDEMPOTENCY_KEY, message)]
        raise InvalidSubmission(f"{IDEMPOTENCY_KEY}: {message}", errors=errors)
    return keys[0]


def trace_of(request: web.Request) -> tuple[tuple[str, str], ...]:
    """The trace headers (W3C Trace Context) that a task passes on."""
    headers = request.headers
    if "traceparent" not in headers and "tracestate" not in headers:
        return ()
    return tuple((name, headers[name]) for name in ("traceparent", "tracestate") if name in headers)
