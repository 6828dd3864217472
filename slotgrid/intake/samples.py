"""An example of what a schema takes: what its author gives, or else the least that is valid."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from slotgrid.core.schema import JsonSchema, Schema

DEPTH = 8
"""A schema that contains itself is followed this far."""

_STRINGS = {
    "uri": "https://example.com/",
    "date-time": "2030-01-31T08:00:00Z",
    "date": "2030-01-31",
    "time": "08:00:00Z",
    "email": "someone@example.com",
    "uuid": "0198c0de-7a3b-7c11-9d5e-2f6a1b0c4d3e",
}


def sample_of(schema: Schema) -> Any:
    """A valid value, or None where none was found (a `pattern` can only be met by its author)."""
    value = _sample(schema.document, schema.document, DEPTH)
    return None if schema.violations(schema.with_defaults(value)) else value


def _sample(schema: Any, root: JsonSchema, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth == 0:
        return None
    if schema.get("examples"):
        return deepcopy(schema["examples"][0])
    for given in ("default", "const"):
        if given in schema:
            return deepcopy(schema[given])
    if schema.get("enum"):
        return schema["enum"][0]
    if "$ref" in schema:
        return _sample(_target(schema["$ref"], root), root, depth - 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if schema.get(keyword) and "properties" not in schema:
            return _sample(_telling(schema[keyword]), root, depth - 1)
    kind = schema.get("type")
    match kind if isinstance(kind, str) else next(iter(kind or ["object"])):
        case "object":
            return _object(schema, root, depth)
        case "array":
            count = max(1, schema.get("minItems", 1))
            return [_sample(schema.get("items", {}), root, depth - 1)] * count
        case "string":
            text = _STRINGS.get(schema.get("format", ""), "text")
            return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case _:
            return None


def _object(schema: JsonSchema, root: JsonSchema, depth: int) -> dict[str, Any]:
    """What must be there; if nothing must, what has a default: an empty object tells nobody."""
    properties = schema.get("properties") or {}
    names = [name for name in properties if name in schema.get("required", ())]
    if not names:
        names = [n for n, part in properties.items() if _default(part) is not None]
    return {name: _sample(properties[name], root, depth - 1) for name in names}


def _default(schema: Any) -> Any:
    return schema.get("default") if isinstance(schema, Mapping) else None


def _number(schema: JsonSchema) -> float:
    if "minimum" in schema:
        return float(schema["minimum"]) if schema.get("type") == "number" else schema["minimum"]
    if "exclusiveMinimum" in schema:
        return int(schema["exclusiveMinimum"]) + 1
    return min(1, schema.get("maximum", 1))


def _telling(alternatives: list[Any]) -> Any:
    """The first alternative that is more than null."""
    return next((one for one in alternatives if one != {"type": "null"}), alternatives[0])


def _target(reference: str, root: JsonSchema) -> Any:
    part: Any = root
    for name in reference.removeprefix("#").strip("/").split("/"):
        key = name.replace("~1", "/").replace("~0", "~")
        part = part.get(key) if isinstance(part, Mapping) and key else part
    return part
