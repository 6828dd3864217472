"""Finds the faults of a value in its schema, with path and message.

The work is bounded by the schema, not by the value: a judge skips valid parts, and the search is
lazy, so it stops when its caller has enough faults.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from slotgrid.core.fault_messages import MESSAGES, example_of
from slotgrid.core.tagged_alternatives import Tag, tag_of
from slotgrid.core.validators import JsonSchema, Validator, pattern_validator
from slotgrid.core.value_preview import preview
from slotgrid.json_schema_refs import target

Path = tuple[str | int, ...]
ROOT = "x-slotgrid-root"
"""The key of the whole schema in each compiled part: the target of references."""
DATA_KEYWORDS = frozenset({"const", "default", "enum", "examples"})
CHUNK = 1000
NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `names_only`: of the value, the message shows only names of members."""

    path: Path
    keyword: str
    limit: Any
    message: str
    names_only: bool = False


_BESIDE: Mapping[str, tuple[str, ...]] = {
    "contains": ("minContains", "maxContains"),
    "minimum": ("exclusiveMinimum",),  # a boolean beside it, in draft 4
    "maximum": ("exclusiveMaximum",),
}
"""Keywords that change the meaning of another."""
_FLAGS = frozenset({"exclusiveMinimum", "exclusiveMaximum"})
"""Keywords that are booleans in draft 4 and then have no faults of their own."""


class FaultFinder:
    """Finds the faults of values in one schema, which is valid and has only local references."""

    def __init__(self, document: JsonSchema, draft: str) -> None:
        self._root = _moved({k: v for k, v in document.items() if k != "$id"})
        self._base = {"$schema": draft, ROOT: self._root}
        self._reference_alone = any(old in draft for old in ("draft-04", "draft-06", "draft-07"))
        self._validators: dict[tuple[int, tuple[str, ...]], Validator] = {}

    def find(self, value: Any) -> Iterator[Fault]:
        """The faults of a value: at least one if the schema does not accept it."""
        return self._faults(self._root, value, ())

    def _faults(self, schema: Any, value: Any, path: Path) -> Iterator[Fault]:
        if schema is False:
            yield Fault(path, "not", {}, f"nothing is allowed here, got {preview(value)}")
        if not isinstance(schema, Mapping) or self._accepts(schema, tuple(schema), value):
            return
        found = False
        for fault in self._by_keyword(schema, value, path):
            found = True
            yield fault
        if not found:
            yield self._of_the_rest(schema, value, path)

    def _by_keyword(self, schema: JsonSchema, value: Any, path: Path) -> Iterator[Fault]:
        if "$ref" in schema:
            yield from self._faults(target(schema["$ref"], self._base), value, path)
            if self._reference_alone:
                return
        for keyword, limit in schema.items():
            if keyword in {"anyOf", "oneOf"} and not self._accepts(schema, (keyword,), value):
                yield from self._of_alternatives(keyword, limit, value, path)
                continue
            words = MESSAGES.get(keyword)
            if words is not None and not (keyword in _FLAGS and isinstance(limit, bool)):
                if not self._accepts(schema, (keyword, *_BESIDE.get(keyword, ())), value):
                    message = words(limit, value)
                    if keyword == "pattern":
                        message += example_of(schema)
                    yield Fault(path, keyword, limit, message, keyword == "const")
            elif keyword in {"allOf", "then", "else", "dependentSchemas", "dependencies"}:
                for part in self._applied(schema, keyword, value):
                    yield from self._faults(part, value, path)
        if isinstance(value, Mapping):
            yield from self._in_object(schema, value, path)
        elif isinstance(value, list | tuple):
            yield from self._in_array(schema, value, path)

    def _of_alternatives(
        self, keyword: str, alternatives: Any, value: Any, path: Path
    ) -> Iterator[Fault]:
        """The faults of the only alternative for the value's type or tag; else one of them all."""
        tag = tag_of(alternatives, self._typed) if isinstance(value, Mapping) else None
        if tag is not None:
            yield from self._of_tagged(tag, alternatives, value, path)
            return
        typed = [self._typed(one) for one in alternatives]
        fitting = [
            one
            for one, part in zip(alternatives, typed, strict=True)
            if part is None or self._accepts(part, ("type",), value)
        ]
        if not fitting:
            names = [part["type"] for part in typed if part is not None]
            types = list(dict.fromkeys(chain(*([n] if isinstance(n, str) else n for n in names))))
            yield Fault(path, "type", types, MESSAGES["type"](types, value))
        elif len(fitting) == 1 and self._explains(fitting[0], value):
            yield from self._faults(fitting[0], value, path)
        else:
            yield Fault(path, keyword, alternatives, MESSAGES[keyword](alternatives, value))

    def _of_tagged(
        self, tag: Tag, alternatives: Sequence[Any], value: Mapping[str, Any], path: Path
    ) -> Iterator[Fault]:
        """The faults of the alternative that the tag names, or that of the tag itself."""
        if tag.name not in value:
            yield Fault(path, "required", [tag.name], f"{tag.name!r} is a required property")
        elif value[tag.name] in tag.values:
            named = alternatives[tag.values.index(value[tag.name])]
            yield from self._faults(named, value, path)
        else:
            message = MESSAGES["enum"](list(tag.values), value[tag.name])
            yield Fault((*path, tag.name), "enum", list(tag.values), message)

    def _explains(self, schema: Any, value: Any) -> bool:
        """Whether the schema has keywords, and the value is not valid by them."""
        return isinstance(schema, Mapping) and not self._accepts(schema, tuple(schema), value)

    def _typed(self, schema: Any) -> JsonSchema | None:
        """The schema, or the one behind its references, that has a `type`; None for any type."""
        while isinstance(schema, Mapping) and "$ref" in schema and "type" not in schema:
            schema = target(schema["$ref"], self._base)
        return schema if isinstance(schema, Mapping) and "type" in schema else None

    def _applied(self, schema: JsonSchema, keyword: str, value: Any) -> Iterator[Any]:
        """The schemas that the keyword applies to the same value."""
        if keyword == "allOf":
            yield from schema[keyword]
        elif keyword in {"then", "else"}:
            if "if" in schema:
                applies = self._validator(schema["if"], "allOf").accepts(value)
                if applies is (keyword == "then"):
                    yield schema[keyword]
        elif isinstance(value, Mapping):
            yield from (
                part
                for name, part in schema[keyword].items()
                if name in value and not isinstance(part, list)
            )

    def _in_object(
        self, schema: JsonSchema, value: Mapping[str, Any], path: Path
    ) -> Iterator[Fault]:
        yield from _missing(schema, value, path)
        named = schema.get("properties", {})
        for name, part in named.items():
            if name in value:
                yield from self._faults(part, value[name], (*path, name))
        patterns = schema.get("patternProperties", {})
        if patterns and not self._accepts(schema, ("patternProperties",), value):
            for pattern, part in patterns.items():
                for name in value:
                    if _matches(pattern, name):
                        yield from self._faults(part, value[name], (*path, name))
        if "propertyNames" in schema and not self._accepts(schema, ("propertyNames",), value):
            for name in value:
                yield from self._faults(schema["propertyNames"], name, path)
        yield from self._additional(schema, value, path)

    def _additional(
        self, schema: JsonSchema, value: Mapping[str, Any], path: Path
    ) -> Iterator[Fault]:
        more = schema.get("additionalProperties", True)
        named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        others = (
            name
            for name in value
            if name not in named and not any(_matches(pattern, name) for pattern in patterns)
        )
        if more is False:
            yield from _unexpected("additionalProperties", "Additional", others, path)
        elif isinstance(more, Mapping):
            while chunk := {name: value[name] for name in islice(others, CHUNK)}:
                if not self._validator(more, "additionalProperties").accepts(chunk):
                    for name, part in chunk.items():
                        yield from self._faults(more, part, (*path, name))

    def _in_array(
        self, schema: JsonSchema, value: list[Any] | tuple[Any, ...], path: Path
    ) -> Iterator[Fault]:
        # Before draft 2020-12, a list as `items` means what `prefixItems` means since.
        old = isinstance(schema.get("items"), list)
        first = schema["items"] if old else schema.get("prefixItems", [])
        rest = schema.get("additionalItems" if old else "items", True)
        for index, part in enumerate(first[: len(value)]):
            yield from self._faults(part, value[index], (*path, index))
        if rest is True:
            return
        for start in range(len(first), len(value), CHUNK):
            chunk = value[start : start + CHUNK]
            if not self._validator(rest, "items").accepts(list(chunk)):
                for index, part in enumerate(chunk, start):
                    yield from self._faults(rest, part, (*path, index))

    def _of_the_rest(self, schema: JsonSchema, value: Any, path: Path) -> Fault:
        """The fault of an invalid value in which no single keyword found a fault."""
        for keyword in ("unevaluatedProperties", "unevaluatedItems"):
            if schema.get(keyword) is False:
                if isinstance(value, Mapping):
                    described = self._described(schema)
                    others = (name for name in value if not described(name))
                    for fault in _unexpected(keyword, "Unevaluated", others, path):
                        return fault
                return Fault(path, keyword, False, f"{preview(value)} has more than is described")
        keyword = [*schema][-1]
        limit = schema[keyword]
        return Fault(
            path, keyword, limit, f"{preview(value)} does not fulfil `{keyword}: {preview(limit)}`"
        )

    def _described(self, schema: JsonSchema) -> Callable[[str], bool]:
        """A predicate: whether any part of the schema describes a member of that name."""
        names: set[str] = set()
        patterns: set[str] = set()
        seen: set[int] = set()
        parts: list[Any] = [schema]
        while parts:
            part = parts.pop()
            if not isinstance(part, Mapping) or id(part) in seen:
                continue
            seen.add(id(part))
            names |= part.get("properties", {}).keys()
            patterns |= part.get("patternProperties", {}).keys()
            if "$ref" in part:
                parts.append(target(part["$ref"], self._base))
            for keyword in ("allOf", "anyOf", "oneOf"):
                parts += part.get(keyword, ())
            parts += [part[key] for key in ("if", "then", "else") if key in part]
            parts += part.get("dependentSchemas", {}).values()
        return lambda name: name in names or any(_matches(pattern, name) for pattern in patterns)

    def _validator(self, part: Any, keyword: str) -> Validator:
        """The judge of a part that a keyword applies to items, members or the whole value."""
        key = id(part), (keyword,)
        if (validator := self._validators.get(key)) is None:
            limit = [part] if keyword == "allOf" else part
            validator = self._validators[key] = Validator(self._base | {keyword: limit})
        return validator

    def _accepts(self, schema: JsonSchema, keywords: tuple[str, ...], value: Any) -> bool:
        """Whether the value is valid by these keywords alone."""
        key = id(schema), keywords
        if (validator := self._validators.get(key)) is None:
            part = {keyword: schema[keyword] for keyword in keywords if keyword in schema}
            validator = self._validators[key] = Validator(self._base | part)
        return validator.accepts(value)


def _moved(part: Any) -> Any:
    """A copy whose references start at ROOT instead of the root of the document."""
    if isinstance(part, list):
        return [_moved(item) for item in part]
    if not isinstance(part, Mapping):
        return part
    return {
        key: f"#/{ROOT}{value.removeprefix('#')}"
        if key == "$ref" and isinstance(value, str)
        else (value if key in DATA_KEYWORDS else _moved(value))
        for key, value in part.items()
        if key != "$schema"
    }


def _matches(pattern: str, name: str) -> bool:
    return pattern_validator(pattern).accepts(name)


def _missing(schema: JsonSchema, value: Mapping[str, Any], path: Path) -> Iterator[Fault]:
    """The faults of missing members: required always, or because of another member."""
    for name in schema.get("required", ()):
        if name not in value:
            message = f"{name!r} is a required property"
            yield Fault(path, "required", schema["required"], message, True)
    for keyword in ("dependentRequired", "dependencies"):
        for name, needed in schema.get(keyword, {}).items():
            for other in needed if name in value and isinstance(needed, list) else ():
                if other not in value:
                    message = f"{other!r} is a dependency of {name!r}"
                    yield Fault(path, keyword, schema[keyword], message, True)


def _unexpected(keyword: str, kind: str, names: Iterator[str], path: Path) -> Iterator[Fault]:
    """One fault for all members that are not allowed; its message names the first ones."""
    some = list(islice(names, NAMES_SHOWN + 1))
    if some:
        quoted = ", ".join(preview(name) for name in some[:NAMES_SHOWN])
        more = " and more" if len(some) > NAMES_SHOWN else ""
        verb = "was" if len(some) == 1 else "were"
        message = f"{kind} properties are not allowed ({quoted}{more} {verb} unexpected)"
        yield Fault(path, keyword, False, message, True)
