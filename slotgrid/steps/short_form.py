"""The short form of `input:`, as JSON Schema.

    input:
      url: string                                    # required
      count: {type: integer, default: 3, doc: How many}
      kind: {options: [a, b], required: false}
      password: {type: string, secret: true}

An object with `type: object` and `properties`, or one with `$schema`, is JSON Schema already.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from slotgrid.core.errors import pointer
from slotgrid.steps.faults import nearest

TYPES = ("string", "number", "integer", "boolean", "array", "object", "any")
"""The types of the short form; `any` is any JSON value."""

_OWN = ("required", "doc", "options", "secret")
_KEYWORDS = (
    "type", "description", "title", "default", "enum", "const", "examples", "format", "pattern",
    "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "items", "minItems", "maxItems", "uniqueItems", "properties",
    "additionalProperties", "minProperties", "maxProperties", "anyOf", "oneOf", "allOf",
    "writeOnly", "deprecated",
)  # fmt: skip
_KNOWN = (*_OWN, *_KEYWORDS)


class ShortFormFault(ValueError):
    """Faults of a short form: pairs of a JSON pointer into `input` and a message."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{at}: {message}" for at, message in faults))
        self.faults = faults


def input_schema(given: Any) -> dict[str, Any]:
    """The JSON Schema of an input in the short form or as a schema. Raises ShortFormFault.

    A schema is returned unchanged; `Schema` checks whether it is valid. Members of the short form
    are the only ones that the input may have. None is an input without members.
    """
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise ShortFormFault([("", "expected an object: names of inputs, with a type each")])
    if is_schema(given):
        return dict(given)
    faults: list[tuple[str, str]] = []
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, field in given.items():
        found = list(_faults(field))
        faults += [(pointer([name]) + at, message) for at, message in found]
        if not found:
            properties[name] = _property(field)
            if _is_required(field):
                required.append(name)
    if faults:
        raise ShortFormFault(faults)
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {**schema, "additionalProperties": False}


def is_schema(given: Mapping[str, Any]) -> bool:
    """Whether an input is JSON Schema, not the short form."""
    if "$schema" in given or "$ref" in given:
        return True
    return given.get("type") == "object" and isinstance(given.get("properties"), Mapping)


def _faults(field: Any) -> Iterator[tuple[str, str]]:
    """The faults of one member of the short form."""
    if isinstance(field, str):
        if field not in TYPES:
            yield "", _not_a_type(field)
        return
    if not isinstance(field, Mapping):
        yield "", f"expected a type ({', '.join(TYPES)}) or an object with `type`"
        return
    for name in field:
        if name not in _KNOWN:
            yield pointer([name]), f'unknown field "{name}"{nearest(name, _KNOWN)}'
    kind = field.get("type", "any")
    kinds = kind if isinstance(kind, list) and kind else [kind]
    for one in kinds:
        if one not in (*TYPES, "null"):
            yield "/type", _not_a_type(one)
    items = field.get("items")
    if isinstance(items, str) and items not in TYPES:
        yield "/items", _not_a_type(items)
    yield from _faults_of_own(field)


def _faults_of_own(field: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The faults of the fields that JSON Schema does not have."""
    for name in ("required", "secret"):
        if not isinstance(field.get(name, False), bool):
            yield f"/{name}", "expected true or false"
    if field.get("required") is True and "default" in field:
        yield "/required", "an input with a default is not required; leave one of them out"
    for name, twin in (("doc", "description"), ("options", "enum")):
        if name in field and twin in field:
            yield f"/{name}", f"means the same as `{twin}`; leave one of them out"
    if "doc" in field and not isinstance(field["doc"], str):
        yield "/doc", "expected a text"
    if "options" in field and not (isinstance(field["options"], list) and field["options"]):
        yield "/options", "expected a list of the values that are allowed"


def _not_a_type(given: Any) -> str:
    near = nearest(given, TYPES) if isinstance(given, str) else ""
    shown = f'"{given}"' if isinstance(given, str) else "this"
    return f"{shown} is not a type{near or ': ' + ', '.join(TYPES)}"


def _property(field: Any) -> dict[str, Any]:
    """The JSON Schema of one valid member."""
    if isinstance(field, str):
        return {} if field == "any" else {"type": field}
    schema = {name: value for name, value in field.items() if name not in _OWN}
    if schema.get("type") == "any":
        del schema["type"]
    if isinstance(schema.get("items"), str):
        schema["items"] = _property(schema["items"])
    if "doc" in field:
        schema["description"] = field["doc"]
    if "options" in field:
        schema["enum"] = field["options"]
    if field.get("secret"):
        schema["writeOnly"] = True
    return schema


def _is_required(field: Any) -> bool:
    return isinstance(field, str) or bool(field.get("required", "default" not in field))
