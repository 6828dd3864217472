"""An example value for a schema: the author's own, or else a minimal valid one."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from slotgrid.core.schema import JsonSchema, Schema
from slotgrid.json_schema_refs import target

DEPTH = 8
"""Maximum depth of nesting, since a schema can contain itself."""

_STRINGS = {
    "uri": "https://example.com/",
    "date-time": "2030-01-31T08:00:00Z",
    "date": "2030-01-31",
    "time": "08:00:00Z",
    "email": "someone@example.com",
    "uuid": "0198c0de-7a3b-7c11-9d5e-2f6a1b0c4d3e",
}


def sample_of(schema: Schema) -> Any:
    """A valid value, or None if none was found: a `pattern` needs an example from its author."""
    value = _Sampler(schema.document).sample(schema.document, DEPTH)
    return None if schema.violations(value) else value


class _Sampler:
    """Makes values for the parts of the schema `root`, which resolves their references."""

    def __init__(self, root: JsonSchema) -> None:
        self._root = root
        self._makers: Mapping[str, Callable[[JsonSchema, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": _string,
            "integer": _number,
            "number": _number,
            "boolean": lambda *_: True,
        }

    def sample(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, Mapping) or depth == 0:
            return None
        given = _given(schema)
        if given:
            return deepcopy(given[0])
        if (same := self._elsewhere(schema)) is not None:
            return self.sample(same, depth - 1)
        kind = schema.get("type", "object")
        make = self._makers.get(kind if isinstance(kind, str) else kind[0])
        return make(schema, depth) if make else None

    def _elsewhere(self, schema: JsonSchema) -> Any:
        """The schema to use instead: the target of `$ref`, or the first non-null alternative."""
        if "$ref" in schema:
            return target(schema["$ref"], self._root)
        for keyword in ("anyOf", "oneOf", "allOf"):
            if schema.get(keyword) and "properties" not in schema:
                alternatives = schema[keyword]
                telling = (one for one in alternatives if one != {"type": "null"})
                return next(telling, alternatives[0])
        return None

    def _object(self, schema: JsonSchema, depth: int) -> dict[str, Any]:
        """The required members; without any, those with a default, as `{}` is a poor example."""
        properties = schema.get("properties") or {}
        names = [name for name in properties if name in schema.get("required", ())]
        if not names:
            names = [
                name
                for name, part in properties.items()
                if isinstance(part, Mapping) and part.get("default") is not None
            ]
        return {name: self.sample(properties[name], depth - 1) for name in names}

    def _array(self, schema: JsonSchema, depth: int) -> list[Any]:
        item = self.sample(schema.get("items"), depth - 1)
        return [deepcopy(item) for _ in range(max(1, schema.get("minItems", 1)))]


def _given(schema: JsonSchema) -> list[Any]:
    """The values that the author gives: examples, default, constant or enum."""
    if schema.get("examples"):
        return list(schema["examples"])
    for keyword in ("default", "const"):
        if keyword in schema:
            return [schema[keyword]]
    return list(schema.get("enum", ()))


def _string(schema: JsonSchema, _: int) -> str:
    text = _STRINGS.get(schema.get("format", ""), "text")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]


def _number(schema: JsonSchema, _: int) -> Any:
    if "minimum" in schema:
        return schema["minimum"]
    if "exclusiveMinimum" in schema:
        return int(schema["exclusiveMinimum"]) + 1
    return min(1, schema.get("maximum", 1))
