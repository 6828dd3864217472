"""The messages of faults: what a value violates, by the keyword of its schema."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from slotgrid.core.validators import JsonSchema
from slotgrid.core.value_preview import preview

COMPARED_MOST, CHARS_COMPARED = 200, 64
"""Bounds on the search for the choice that is most like a value."""
CHOICES_MOST = 30
"""Choices of an `enum` that its message lists; of a longer list the first few."""

Message = Callable[[Any, Any], str]

MESSAGES: Mapping[str, Message] = {
    "type": lambda limit, it: f"{preview(it)} is not of type {_listed(limit)}",
    "enum": lambda limit, it: f"{preview(it)} is not one of {_choices(limit, it)}",
    "const": lambda limit, _: f"{preview(limit)} was expected",
    "multipleOf": lambda limit, it: f"{preview(it)} is not a multiple of {limit}",
    "minimum": lambda limit, it: f"{preview(it)} is less than the minimum of {limit}",
    "maximum": lambda limit, it: f"{preview(it)} is greater than the maximum of {limit}",
    "exclusiveMinimum": lambda limit, it: (
        f"{preview(it)} is less than or equal to the minimum of {limit}"
    ),
    "exclusiveMaximum": lambda limit, it: (
        f"{preview(it)} is greater than or equal to the maximum of {limit}"
    ),
    "minLength": lambda limit, it: f"{preview(it)} is {_short(limit)}",
    "maxLength": lambda limit, it: f"{preview(it)} is {_long(limit)}",
    "minItems": lambda limit, it: f"{preview(it)} is {_short(limit)}",
    "maxItems": lambda limit, it: f"{preview(it)} is {_long(limit)}",
    "minProperties": lambda limit, it: f"{preview(it)} has fewer than {limit} properties",
    "maxProperties": lambda limit, it: f"{preview(it)} has more than {limit} properties",
    "pattern": lambda limit, it: f"{preview(it)} does not match {limit!r}",
    "format": lambda limit, it: f"{preview(it)} is not a {limit!r}",
    "uniqueItems": lambda _, it: f"{preview(it)} has non-unique elements",
    "contains": lambda _, it: f"{preview(it)} does not contain items matching the given schema",
    "anyOf": lambda _, it: f"{preview(it)} is not valid under any of the given schemas",
    "oneOf": lambda _, it: f"{preview(it)} is not valid under exactly one of the given schemas",
    "not": lambda limit, it: f"{preview(it)} should not be valid under {preview(limit)}",
}
"""The message of each keyword that applies to a whole value, from its limit and the value."""


def _choices(limit: Any, value: Any) -> str:
    """The choices, of many a few; then with the one that is most like the value."""
    if len(limit) > CHOICES_MOST:
        words = [one for one in limit[:COMPARED_MOST] if isinstance(one, str)]
        near = difflib.get_close_matches(str(value)[:CHARS_COMPARED], words, n=1)
        return preview(limit) + (f"; did you mean {near[0]!r}?" if near else "")
    return f"[{', '.join(preview(one) for one in limit)}]"


def _listed(types: Any) -> str:
    return ", ".join(repr(one) for one in ([types] if isinstance(types, str) else types))


def example_of(schema: JsonSchema) -> str:
    """The schema's first example, for a rule that is hard to read."""
    return f", as {preview(examples[0])} does" if (examples := schema.get("examples")) else ""


def _short(limit: int) -> str:
    return "too short, as it must not be empty" if limit == 1 else f"too short (minimum {limit})"


def _long(limit: int) -> str:
    return f"too long (maximum {limit})"
