"""JSON values in templates: their names in messages, their text, their bounds."""

import math
from collections.abc import Mapping
from typing import Any

import orjson

from slotgrid.steps.budget import Budget
from slotgrid.steps.faults import NotDefined, TemplateFault, nearest

_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_SHOWN_MOST = 60


def kind_of(value: Any) -> str:
    """The name of the value's JSON type, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a value that is not JSON")


def shown(value: Any) -> str:
    """The value in a message: a short text or number in full, else its type.

    Never a part of a text: it could be the part of a secret, which no redaction finds.
    """
    if isinstance(value, str) and len(value) <= _SHOWN_MOST:
        return f'"{value}"'
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return kind_of(value)


def as_text(value: Any, budget: Budget) -> str:
    """The value within a text: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else as_json(value, budget)


def as_json(value: Any, budget: Budget) -> str:
    """The value as JSON, without spaces."""
    budget.whole(value)
    try:
        return orjson.dumps(value).decode()
    except (orjson.JSONEncodeError, UnicodeDecodeError) as cause:
        raise TemplateFault(f"{kind_of(value)} has no text as JSON: {cause}") from cause


def checked_number(value: Any) -> int | float:
    """A number that JSON can carry."""
    if isinstance(value, int):
        if _SMALLEST <= value <= _LARGEST:
            return value
        raise TemplateFault("the number has more than 64 bits")
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise TemplateFault("the result is not a finite number")


def is_number(value: Any) -> bool:
    """Whether the value is a number of JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def item_of(value: Any, key: Any, name: str) -> Any:
    """The member of an object or the item of a list; `name` is the value's name in messages.

    Objects have only their keys, never Python's attributes. Raises NotDefined.
    """
    if isinstance(value, Mapping):
        if isinstance(key, str):
            if key in value:
                return value[key]
            raise NotDefined(f'{name} has no key "{key}"{nearest(key, value)}')
        raise TemplateFault(f"{name} is an object, whose keys are strings, not {shown(key)}")
    if isinstance(value, list | str) and isinstance(key, int) and not isinstance(key, bool):
        if -len(value) <= key < len(value):
            return value[key]
        count = f"{len(value)} {'characters' if isinstance(value, str) else 'items'}"
        raise NotDefined(f"{name} has {count}, and none at {key}")
    what = f'key "{key}"' if isinstance(key, str) else f"item {shown(key)}"
    raise NotDefined(f"{name} is {kind_of(value)}, which has no {what}")
