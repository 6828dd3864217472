"""A function's input schema as a list of fields, for people and for typed values."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slotgrid.json_schema_refs import REFERENCES_LIMIT, ReferenceFault, resolve

LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
}

Schema = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of an input. Without `kinds` and `choices`, any value is valid.

    `kinds` are JSON Schema's type names; `default` is JSON text, `example` the text after `name=`.
    """

    name: str
    kinds: tuple[str, ...] = ()
    choices: tuple[Any, ...] = ()
    items: str = ""
    limits: tuple[str, ...] = ()
    required: bool = False
    default: str | None = None
    example: str | None = None
    description: str = ""
    secret: bool = False

    @property
    def type(self) -> str:
        """Its type in a few words."""
        kinds = [f"array of {self.items}" if k == "array" and self.items else k for k in self.kinds]
        return " | ".join([*map(as_word, self.choices), *kinds]) or "anything"


def fields_of(schema: Schema) -> list[Field]:
    """The fields of an object's schema, required ones first."""
    resolved = _resolved(schema, schema)
    required = set(resolved.get("required", ()))
    fields = [
        _field(name, described, schema, required=name in required)
        for name, described in (resolved.get("properties") or {}).items()
    ]
    return sorted(fields, key=lambda field: not field.required)


def takes_others(schema: Schema) -> bool:
    """Whether the input may have fields that the schema does not name."""
    return _resolved(schema, schema).get("additionalProperties", True) is not False


def as_word(value: Any) -> str:
    """A JSON value as it is typed after `name=`."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _field(name: str, described: Any, root: Schema, *, required: bool) -> Field:
    parts = list(_alternatives(described, root))
    merged = {key: value for part in reversed(parts) for key, value in part.items()}
    kinds: list[str] = []
    choices: list[Any] = []
    for part in parts:
        named = part.get("type", ())
        listed = [part["const"]] if "const" in part else part.get("enum", ())
        choices += [choice for choice in listed if choice not in choices]
        if not listed:
            kinds += [k for k in ([named] if isinstance(named, str) else named) if k not in kinds]
    examples = merged.get("examples") or ()
    return Field(
        name=name,
        kinds=tuple(kinds),
        choices=tuple(choices),
        items=_items(merged, root),
        limits=tuple(_limits(merged)),
        required=required,
        default=json.dumps(merged["default"], ensure_ascii=False) if "default" in merged else None,
        example=as_word(examples[0]) if examples else None,
        description=str(merged.get("description", "")),
        secret=bool(merged.get("writeOnly")),
    )


def _limits(described: Schema) -> Iterator[str]:
    for key, text in LIMITS.items():
        if key == "minLength" and described.get(key) == 1:
            yield "not empty"
        elif key in described:
            yield text.format(described[key])


def _items(described: Schema, root: Schema) -> str:
    """The type of an array's items, if it is a single one; else empty."""
    items = _resolved(described.get("items"), root)
    named = items.get("type")
    return named if isinstance(named, str) else ""


def _alternatives(schema: Any, root: Schema, depth: int = 0) -> Iterator[Schema]:
    """The schema itself, then its parts (`anyOf`, `oneOf`, `allOf`), references resolved."""
    resolved = _resolved(schema, root)
    yield resolved
    if depth < REFERENCES_LIMIT:
        for keyword in ("anyOf", "oneOf", "allOf"):
            for part in resolved.get(keyword) or ():
                yield from _alternatives(part, root, depth + 1)


def _resolved(schema: Any, root: Schema) -> Schema:
    """The schema behind its reference; `{}`, which describes any value, if that leads nowhere."""
    try:
        return resolve(schema, root)
    except ReferenceFault:
        return {}
