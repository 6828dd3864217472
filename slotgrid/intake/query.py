"""Checks a request's query against the parameters of its endpoint, and reads values from it."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from slotgrid.core.errors import FAULTS_LIMIT, InvalidSubmission, Violation
from slotgrid.core.principal import Scope
from slotgrid.core.schema import JsonSchema
from slotgrid.intake.openapi import Endpoint, Parameter, endpoint_of

LIMIT_DEFAULT = 50
YES = frozenset({"true", "1", "yes", ""})
NO = frozenset({"false", "0", "no"})
# JSON's syntax of numbers, in ASCII: Python's `int` also accepts `1_000`, other scripts' digits and
# spaces, and fails differently for thousands of digits.
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
SHOWN_MOST = 60
"""Maximum number of characters of an invalid value in an error."""


def is_for_programs(request: web.Request) -> bool:
    """Whether the endpoint requires a key. The dashboard's pages check their query themselves."""
    described = endpoint_of(request.match_info.handler)
    return described is not None and described.scope is not Scope.PUBLIC


def check_query(request: web.Request) -> None:
    """Check the query against the parameters that the endpoint declares.

    Raises InvalidSubmission for parameters that are unknown, repeated, or invalid under their
    schema, with all faults at once. Public endpoints ignore unknown parameters, as probes and
    browsers append their own.
    """
    if not request.rel_url.raw_query_string:
        return
    described = endpoint_of(request.match_info.handler)
    if described is None:
        return
    declared, query = _declared(described), request.query
    faults: list[Violation] = []
    for name in dict.fromkeys(query):
        values = query.getall(name)
        parameter = declared.get(name)
        fault: str | None = None
        if len(values) > 1:
            fault = f"is given {len(values)} times; give it once"
        elif described.query_is_fields:
            continue
        elif parameter is not None:
            fault = parameter_fault(parameter.schema, values[0])
        elif described.scope is not Scope.PUBLIC:
            fault = _unknown(name, declared)
        if fault is not None:
            faults.append(Violation(f"?{name}", fault))
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        detail = f"{faults[0].pointer}: {faults[0].message}{more}"
        raise InvalidSubmission(detail, errors=faults[:FAULTS_LIMIT])


def parameter_fault(schema: JsonSchema, text: str) -> str | None:
    """The fault of a value under that schema, as text; None if the value is valid."""
    kind = schema.get("type")
    if kind in {"integer", "number"}:
        good = _number_fits(schema, text)
        expected = "a whole number" if kind == "integer" else "a number"
        expected += _bounds(schema)
    elif kind == "boolean":
        good = text.lower() in YES | NO
        expected = "true or false"
    elif "enum" in schema:
        good = text in schema["enum"]
        expected = f"one of {', '.join(schema['enum'])}"
    elif "pattern" in schema:
        good = re.search(schema["pattern"], text) is not None
        expected = str(schema["description"])
    else:
        good, expected = len(text) >= schema.get("minLength", 0), "text"
    return None if good else f"expected {expected}, got {_shown(text)}"


def paging(request: web.Request) -> tuple[int, int]:
    """`limit` and `offset` of the query."""
    return whole(request, "limit", LIMIT_DEFAULT), whole(request, "offset", 0)


def whole(request: web.Request, name: str, default: int) -> int:
    """A whole number from the query, which `check_query` has checked."""
    text = request.query.get(name)
    return default if text is None else int(text)


def seconds(request: web.Request, name: str) -> float | None:
    """A number of seconds from the query, which `check_query` has checked; None if not given."""
    text = request.query.get(name)
    return None if text is None else float(text)


def flag(request: web.Request, name: str) -> bool:
    """Whether a query parameter is true: `true`, `1`, `yes`, or its name without a value."""
    text = request.query.get(name)
    return text is not None and text.lower() in YES


def bad_parameter(name: str, message: str) -> InvalidSubmission:
    """The error for an invalid query parameter."""
    return InvalidSubmission(f"?{name}: {message}", errors=[Violation(f"?{name}", message)])


def _declared(described: Endpoint) -> Mapping[str, Parameter]:
    return {one.name: one for one in described.parameters if one.location == "query"}


def _unknown(name: str, declared: Mapping[str, Any]) -> str:
    if not declared:
        return "unknown parameter; this path takes none"
    near = difflib.get_close_matches(name, declared, n=1) if len(name) <= SHOWN_MOST else []
    if near:
        return f'unknown parameter; did you mean "{near[0]}"?'
    return f"unknown parameter; known are {', '.join(sorted(declared))}"


def _number_fits(schema: JsonSchema, text: str) -> bool:
    if not (WHOLE if schema["type"] == "integer" else NUMBER).fullmatch(text):
        return False
    number = float(text) if schema["type"] == "number" else int(text)
    return bool(schema.get("minimum", number) <= number <= schema.get("maximum", number))


def _bounds(schema: JsonSchema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is None:
        return "" if least is None else f" of {least} or more"
    return f" from {least} to {most}"


def _shown(text: str) -> str:
    short = text if len(text) <= SHOWN_MOST else f"{text[:SHOWN_MOST]}…"
    return repr(short)
