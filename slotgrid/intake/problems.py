"""Converts errors to answers, in this one place: `application/problem+json` (RFC 9457)."""

import html
from collections.abc import Mapping

import structlog
from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import (
    BodyTooLarge,
    Forbidden,
    Internal,
    InvalidSubmission,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    Unauthorized,
    problem_types,
)
from slotgrid.core.event_log import encode_json
from slotgrid.core.principal import Scope
from slotgrid.intake.openapi import Answer, Parameter
from slotgrid.intake.schemas.basics import TEXT, WHOLE, record
from slotgrid.intake.schemas.problems import PROBLEM_JSON

log = structlog.get_logger()

BEGUN = web.RequestKey("begun", bool)
"""Whether a streamed answer has begun: a later error cannot get an answer of its own."""
RETRY_AFTER_S = 5
"""Default `Retry-After` of a 429 or 503, for errors without a time of their own."""


def problem_response(
    error: ServiceError, *, headers: Mapping[str, str] | None = None
) -> web.Response:
    """The answer for an error: problem+json, with `Retry-After` for 429, 503 or a given time."""
    sent = dict(headers or {})
    if error.retry_after_s is not None:
        sent["Retry-After"] = str(error.retry_after_s)
    elif error.status in {429, 503}:
        sent["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, Unauthorized):
        sent["WWW-Authenticate"] = 'Bearer realm="slotgrid"'
    return web.Response(
        status=error.status,
        body=encode_json(error.to_problem()),
        content_type=PROBLEM_JSON,
        headers=sent,
    )


def answer_to(error: Exception, request: web.Request) -> web.Response:
    """The answer for an exception of a handler. Raises aiohttp's redirects again."""
    if isinstance(error, ServiceError):
        return cut_off(request) if BEGUN in request else problem_response(error)
    if isinstance(error, web.HTTPException):
        if error.status < 400:
            raise error
        return problem_response(_translated(error, request), headers=_kept_headers(error))
    if isinstance(error, ConnectionError):
        return cut_off(request)  # the caller has disconnected
    log.error("request.defect", method=request.method, path=request.path, exc_info=error)
    if BEGUN in request:
        return cut_off(request)
    return problem_response(Internal("the node failed on this request; its log has the details"))


def cut_off(request: web.Request) -> web.Response:
    """Abort the connection, so that the caller notices the premature end of a stream.

    The returned answer is never sent. Raising instead would make aiohttp log a traceback, although
    a disconnect of the caller is no error.
    """
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _translated(answer: web.HTTPException, request: web.Request) -> ServiceError:
    """Translate aiohttp's own HTTP error to a ServiceError."""
    match answer.status:
        case 403:
            return Forbidden(answer.text or "this is not allowed")
        case 404:
            return NotFound(f"nothing exists at {request.path}")
        case 405:
            allowed = answer.headers.get("Allow", "")
            return MethodNotAllowed(f"{request.method} is not allowed here; allowed: {allowed}")
        case 413:
            limit = request.client_max_size
            return BodyTooLarge(f"the body is larger than {limit} bytes, which is the limit")
        case status if status < 500:
            return InvalidSubmission(answer.reason or answer.text or "the request is not valid")
        case _:
            return Internal("the node failed on this request")


def _kept_headers(answer: web.HTTPException) -> dict[str, str]:
    return {"Allow": answer.headers["Allow"]} if "Allow" in answer.headers else {}


@docs(
    summary="Meaning of a problem type, and advice",
    tags=["node"],
    scope=Scope.PUBLIC,
    parameters=(
        Parameter(
            "name",
            "The last part of the problem's `type`",
            {"type": "string", "enum": sorted(problem_types())},
            "path",
        ),
    ),
    responses={
        200: Answer(
            "A page, or JSON if `Accept` requests it",
            {
                "text/html": TEXT,
                "application/json": record(
                    "", {"name": TEXT, "title": TEXT, "status": WHOLE, "advice": TEXT}
                ),
            },
        )
    },
    problems=(NotFound,),
)
async def problem_page(request: web.Request) -> web.Response:
    """`GET /problems/{name}`: the page at the address in a problem's `type`."""
    name = request.match_info["name"]
    cls = problem_types().get(name)
    if cls is None:
        raise NotFound(f"there is no problem type {name!r}")
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response(
            {"name": name, "title": cls.title, "status": cls.status, "advice": cls.advice}
        )
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{html.escape(cls.title)}</title>"
        "<style>body{font:16px/1.5 system-ui;max-width:42rem;margin:3rem auto;padding:0 1rem}"
        "code{background:#8882;padding:.1em .3em;border-radius:.2em}</style>"
        f"<h1>{html.escape(cls.title)}</h1>"
        f"<p>HTTP status {cls.status}, type <code>{html.escape(name)}</code></p>"
        f"<p>{html.escape(cls.__doc__ or '')}</p><h2>What to do</h2>"
        f"<p>{_with_code(cls.advice)}</p></html>"
    )
    return web.Response(text=page, content_type="text/html")


def _with_code(text: str) -> str:
    """Text with its `quoted` parts as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))
