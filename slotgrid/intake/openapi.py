"""How a handler says what it is: its documentation, its scope, the problems it can answer.

The one typed door to aiohttp-apispec, which has no type hints and turns what it decorates
into `Any`. Its decorators only note what they are told on the handler; our own builder
(`openapi_document`) reads these notes.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import ServiceError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
H = TypeVar("H", bound=Handler)
JsonSchema = Mapping[str, Any]


class Scope(StrEnum):
    """What a key may do. `operate` includes seeing everyone's tasks."""

    PUBLIC = "public"
    READ = "read"
    SUBMIT = "submit"
    OPERATE = "operate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Answer:
    """One way a handler answers: what it means, and its body by media type."""

    description: str
    content: Mapping[str, JsonSchema] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter or request header."""

    name: str
    description: str
    schema: JsonSchema
    location: str = "query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What one handler offers; the scope is also what the auth middleware enforces."""

    summary: str
    tag: str
    scope: Scope
    answers: Mapping[int, Answer]
    problems: tuple[type[ServiceError], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, JsonSchema] | None = None
    body_required: bool = True
    description: str = ""


ENDPOINT = "__slotgrid_endpoint__"


def endpoint(described: Endpoint) -> Callable[[H], H]:
    """Attach the description to a handler, for the document and for the auth middleware."""

    def attach(handler: H) -> H:
        noted: H = docs(
            tags=[described.tag],
            summary=described.summary,
            description=described.description,
        )(handler)
        setattr(noted, ENDPOINT, described)
        return noted

    return attach


def endpoint_of(handler: object) -> Endpoint | None:
    """The description of a handler; None when it has none (which only a test may have)."""
    found = getattr(handler, ENDPOINT, None)
    return found if isinstance(found, Endpoint) else None


def json_answer(description: str, schema: JsonSchema | None = None) -> Answer:
    """An answer in JSON; without a schema, any object."""
    return Answer(description, {"application/json": schema or {"type": "object"}})
