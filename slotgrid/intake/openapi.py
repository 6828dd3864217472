"""The description of a handler: its documentation, its scope, the problems it can answer.

The only module that uses aiohttp-apispec, which has no type hints and turns a decorated handler
into `Any`. Its decorator stores the description on the handler. Our own builder
(`openapi_document`) reads it there, as the library's builder writes Swagger 2.0.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from aiohttp import web
from aiohttp_apispec import docs

from slotgrid.core.errors import (
    BodyTooLarge,
    Forbidden,
    Internal,
    InvalidSubmission,
    ServiceError,
    Unauthorized,
    UnsupportedMediaType,
)
from slotgrid.core.principal import Scope
from slotgrid.core.schema import JsonSchema
from slotgrid.intake.schemas.basics import TEXT
from slotgrid.intake.schemas.problems import header, problem_answers

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
H = TypeVar("H", bound=Handler)

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
    """The description of one handler. The auth middleware enforces its scope.

    `more_with_key`: a public handler that answers in more detail to a caller with a key.
    `query_is_fields`: the handler reads the whole query itself, as fields of a submission.
    """

    summary: str
    tag: str
    scope: Scope
    answers: Mapping[int, Answer]
    problems: tuple[type[ServiceError], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, JsonSchema] | None = None
    body_required: bool = True
    description: str = ""
    more_with_key: bool = False
    query_is_fields: bool = False

    def every_problem(self) -> Iterator[type[ServiceError]]:
        """The handler's own problems, those of its scope, query and body, and Internal."""
        if self.scope is not Scope.PUBLIC:
            yield from (Unauthorized, Forbidden, InvalidSubmission)
        if self.body is not None:
            yield from (InvalidSubmission, BodyTooLarge, UnsupportedMediaType)
        yield from self.problems
        yield Internal

    def to_openapi(self) -> dict[str, Any]:
        """As an OpenAPI operation object."""
        answers = {status: answer.to_openapi() for status, answer in self.answers.items()}
        problems = problem_answers(self.every_problem())
        operation: dict[str, Any] = {
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "parameters": [parameter.to_openapi() for parameter in self.parameters],
            "responses": {
                str(status): both for status, both in sorted((answers | problems).items())
            },
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


ENDPOINT = "__slotgrid_endpoint__"


def endpoint(described: Endpoint) -> Callable[[H], H]:
    """Attach the description to a handler, for the document and for the auth middleware."""

    def attach(handler: H) -> H:
        # Dashes, since Swagger UI's links read an underscore as a space.
        name = handler.__name__.replace("_", "-")
        noted: H = docs(operationId=name, **described.to_openapi())(handler)
        setattr(noted, ENDPOINT, described)
        return noted

    return attach


def with_scope(handler: Handler, scope: Scope) -> Handler:
    """The same handler with another scope, which a setting of the node chooses."""
    described = endpoint_of(handler)
    assert described is not None

    async def same(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    same.__name__ = getattr(handler, "__name__", same.__name__)
    return endpoint(replace(described, scope=scope))(same)


def endpoint_of(handler: object) -> Endpoint | None:
    """The description of a handler; None when it has none (which only a test may have)."""
    found = getattr(handler, ENDPOINT, None)
    return found if isinstance(found, Endpoint) else None


def operation_of(handler: object) -> Mapping[str, Any] | None:
    """The description of a handler as an OpenAPI operation object; None when it has none."""
    noted = getattr(handler, "__apispec__", None)
    if noted is None:
        return None
    # The library adds these for Swagger 2.0; OpenAPI 3.1 does not use them.
    return {name: value for name, value in noted.items() if name not in {"produces", "schemas"}}


def json_answer(description: str, schema: JsonSchema | None = None) -> Answer:
    """An answer in JSON; without a schema, any object."""
    return Answer(description, {"application/json": schema or {"type": "object"}})


def _content(by_type: Mapping[str, JsonSchema]) -> dict[str, dict[str, Any]]:
    return {media_type: {"schema": dict(schema)} for media_type, schema in by_type.items()}
