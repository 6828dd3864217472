"""Alternatives of a JSON Schema that one property tells apart, such as the name of an action."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MISSING = object()


@dataclass(frozen=True, slots=True)
class Tag:
    """The property that tells alternatives apart, and its value in each of them."""

    name: str
    values: tuple[Any, ...]


def tag_of(alternatives: Sequence[Any], resolved: Callable[[Any], Any]) -> Tag | None:
    """The property with a constant in every alternative, all of them different; None without one.

    `resolved` follows the references of an alternative.
    """
    schemas = [resolved(one) for one in alternatives]
    if len(schemas) < 2 or not all(isinstance(one, Mapping) for one in schemas):
        return None
    properties = [one.get("properties", {}) for one in schemas]
    for name in properties[0]:
        values = tuple(_constant(one.get(name)) for one in properties)
        if _MISSING not in values and len({repr(value) for value in values}) == len(values):
            return Tag(name, values)
    return None


def _constant(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return _MISSING
    if "const" in schema:
        return schema["const"]
    enum = schema.get("enum")
    return enum[0] if isinstance(enum, list) and len(enum) == 1 else _MISSING
