"""Converts words of the command line into a function's input, each typed by its field."""

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import NoneType, UnionType
from typing import Any

from slotgrid.cli.fields import Field, Schema, as_word, fields_of, takes_others

BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# The narrow kinds first: a word is a string only if no other kind fits.
KINDS: Mapping[str, type | UnionType] = {
    "boolean": bool,
    "integer": int,
    "number": int | float,
    "array": list,
    "object": dict,
    "null": NoneType,
}
ANYTHING = (*KINDS, "string")


class InvalidWords(Exception):
    """The words are not a valid input. `faults` are (field, message) pairs, all at once."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in faults))
        self.faults = tuple(faults)


def read_input(words: Sequence[str], given: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """The input: `given`, overridden by the words `name=value` and `name:=json`.

    The node checks the rest: limits, formats, nested objects.
    Raises InvalidWords.
    """
    fields = {field.name: field for field in fields_of(schema)}
    values = dict(given)
    faults: list[tuple[str, str]] = []
    typed: set[str] = set()
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.strip(":"):
            faults.append((word, "expected name=value or name:=json"))
            continue
        name, is_json = name.removesuffix(":"), name.endswith(":")
        if name in typed:
            faults.append((name, "is given twice"))
        typed.add(name)
        field = fields.get(name, Field(name=name))
        try:
            values[name] = _read_json(text) if is_json else read_value(field, text)
        except ValueError as fault:
            faults.append((name, str(fault)))
    if not takes_others(schema):
        faults += [(name, _unknown(name, fields)) for name in sorted({*values, *typed} - {*fields})]
    missing = [f.name for f in fields.values() if f.required and f.name not in {*values, *typed}]
    faults += [(name, "is required") for name in missing]
    if faults:
        raise InvalidWords(faults)
    return values


def read_value(field: Field, text: str) -> Any:
    """The value of `text` for this field. Raises ValueError, without a secret in it."""
    for choice in field.choices:
        if text == as_word(choice):
            return choice
    kinds = field.kinds or (() if field.choices else ANYTHING)
    takes_text = "string" in kinds
    for kind in KINDS:
        # For a nullable string the word `null` is text; `name:=null` is JSON null.
        if kind in kinds and not (kind == "null" and takes_text):
            with suppress(ValueError):
                return _read_as(kind, text)
    if takes_text:
        return text
    shown = "something else" if field.secret else repr(text)
    raise ValueError(f"expected {field.type}, got {shown}")


def _read_as(kind: str, text: str) -> Any:
    if kind == "boolean" and text.lower() in BOOLEANS:
        return BOOLEANS[text.lower()]
    value = _read_json(text)
    if isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool)):
        return value
    raise ValueError(text)


def _read_json(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except RecursionError as cause:
        raise ValueError("is nested too deeply") from cause
    except json.JSONDecodeError as cause:
        raise ValueError(f"is not JSON: {cause}") from cause
    if isinstance(value, float) and not math.isfinite(value):  # 1e999
        raise ValueError("is too large a number")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _unknown(name: str, fields: Mapping[str, Field]) -> str:
    near = difflib.get_close_matches(name, fields, n=1)
    if near:
        return f"there is no such field; did you mean {near[0]}?"
    return (
        f"there is no such field; the fields are {', '.join(fields)}"
        if fields
        else "takes no input"
    )
