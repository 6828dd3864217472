"""The one name that we use of aiohttp-apispec, which has no type hints of its own.

`docs` accepts any keyword; listed are the notes that `slotgrid.intake.openapi.Endpoint` reads, so
that a wrong one is found before it is run.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from slotgrid.core.errors import ServiceError
from slotgrid.core.principal import Scope
from slotgrid.core.schema import JsonSchema
from slotgrid.intake.openapi import Answer, Handler, Parameter

_H = TypeVar("_H", bound=Handler)

def docs(
    *,
    summary: str,
    tags: Sequence[str],
    scope: Scope,
    responses: Mapping[int, Answer],
    problems: tuple[type[ServiceError], ...] = ...,
    parameters: Sequence[Parameter] = ...,
    body: Mapping[str, JsonSchema] | None = ...,
    body_required: bool = ...,
    description: str = ...,
    more_with_key: bool = ...,
    query_is_fields: bool = ...,
) -> Callable[[_H], _H]: ...
