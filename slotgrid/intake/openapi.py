"""What the notes of a handler mean: its documentation, its scope, the problems it can answer.

aiohttp-apispec's decorator `docs` stores the notes on the handler (`typings/aiohttp_apispec.pyi`
lists them). `endpoint_of` reads them there, for the OpenAPI 3.1 document and for the middlewares
that check keys and queries; the library's own builder writes Swagger 2.0.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import (
    BodyTooLarge,
    Forbidden,
    Internal,
    InvalidSubmission,
    OverQuota,
    ServiceError,
    Unauthorized,
    UnsupportedMediaType,
)
from slotgrid.core.principal import Scope
from slotgrid.core.schema import JsonSchema
from slotgrid.intake.schemas.basics import TEXT
from slotgrid.intake.schemas.problems import header, problem_answers

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEY_SCHEMES = ("key", "bearer")
"""The two ways to send a key, as named in the document's security schemes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a handler: a description, schemas by media type, descriptions of headers."""

    description: str
    content: Mapping[str, JsonSchema] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_openapi(self) -> dict[str, Any]:
        """As an OpenAPI response object."""
        answer: dict[str, Any] = {"description": self.description}
        if self.content:
            answer["content"] = _content(self.content)
        if self.headers:
            answer["headers"] = {name: header(text, TEXT) for name, text in self.headers.items()}
        return answer


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the path, the query or a header; `as_json` if its text is JSON."""

    name: str
    description: str
    schema: JsonSchema
    location: str = "query"
    as_json: bool = False

    def to_openapi(self) -> dict[str, Any]:
        """As an OpenAPI parameter object."""
        form: dict[str, Any] = (
            {"content": _content({"application/json": self.schema})}
            if self.as_json
            else {"schema": dict(self.schema)}
        )
        described = {"name": self.name, "in": self.location, "description": self.description}
        return described | ({"required": True} if self.location == "path" else {}) | form


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The notes of one handler. The auth middleware enforces its scope.

    `body`: the schema of the request's body by media type.
    `more_with_key`: a public handler that answers in more detail to a caller with a key.
    `query_is_fields`: the handler reads the whole query itself, as fields of a submission.
    """

    name: str
    summary: str
    tags: Sequence[str]
    scope: Scope
    responses: Mapping[int, Answer]
    problems: tuple[type[ServiceError], ...] = ()
    parameters: Sequence[Parameter] = ()
    body: Mapping[str, JsonSchema] | None = None
    body_required: bool = True
    description: str = ""
    more_with_key: bool = False
    query_is_fields: bool = False

    def every_problem(self) -> Iterator[type[ServiceError]]:
        """The handler's own problems, those of its scope, query and body, and Internal."""
        if self.scope is not Scope.PUBLIC:
            yield from (Unauthorized, Forbidden, InvalidSubmission, OverQuota)
        if self.body is not None:
            yield from (InvalidSubmission, BodyTooLarge, UnsupportedMediaType)
        yield from self.problems
        yield Internal

    def to_openapi(self) -> dict[str, Any]:
        """As an OpenAPI operation object."""
        responses = {status: answer.to_openapi() for status, answer in self.responses.items()}
        problems = problem_answers(self.every_problem())
        operation: dict[str, Any] = {
            "responses": {
                str(status): both for status, both in sorted((responses | problems).items())
            },
            "parameters": [parameter.to_openapi() for parameter in self.parameters],
            # Dashes, since Swagger UI's links read an underscore as a space.
            "operationId": self.name.replace("_", "-"),
            "tags": list(self.tags),
            "summary": self.summary,
            "description": self.description,
            "security": self._security(),
        }
        if self.body is not None:
            operation["requestBody"] = {
                "content": _content(self.body),
                "required": self.body_required,
            }
        return operation

    def _security(self) -> list[dict[str, list[str]]]:
        """Alternative schemes; the scope is in the list that OpenAPI 3.1 reserves for roles."""
        if self.scope is not Scope.PUBLIC:
            return [{scheme: [str(self.scope)]} for scheme in KEY_SCHEMES]
        if not self.more_with_key:
            return []
        return [{}, *({scheme: list[str]()} for scheme in KEY_SCHEMES)]


_NOTES = frozenset(one.name for one in fields(Endpoint)) - {"name"}


@lru_cache(maxsize=256)
def endpoint_of(handler: object) -> Endpoint | None:
    """The notes of a handler; None when it has none (which only a test may have)."""
    noted = _noted(handler)
    return None if noted is None else Endpoint(name=getattr(handler, "__name__", ""), **noted)


def with_scope(handler: Handler, scope: Scope) -> Handler:
    """The same handler with another scope, which a setting of the node chooses."""
    noted = _noted(handler)
    assert noted is not None

    async def same(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    same.__name__ = getattr(handler, "__name__", same.__name__)
    return docs(**noted | {"scope": scope})(same)


def _noted(handler: object) -> dict[str, Any] | None:
    """What `docs` has stored, without what it adds for Swagger 2.0 (`produces`, `schemas`)."""
    stored: Mapping[str, Any] | None = getattr(handler, "__apispec__", None)
    if stored is None:
        return None
    return {name: value for name, value in stored.items() if name in _NOTES}


def json_answer(description: str, schema: JsonSchema | None = None) -> Answer:
    """An answer in JSON; without a schema, any object."""
    return Answer(description, {"application/json": schema or {"type": "object"}})


def _content(by_type: Mapping[str, JsonSchema]) -> dict[str, dict[str, Any]]:
    return {media_type: {"schema": dict(schema)} for media_type, schema in by_type.items()}
