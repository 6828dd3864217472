"""JSON Schema, compiled once: the faults of a value, its defaults, its secrets."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from functools import cached_property
from itertools import islice
from typing import Any

import jsonschema
import jsonschema_rs
from jsonschema.validators import validator_for

from slotgrid.core.errors import FAULTS_LIMIT, Violation, pointer
from slotgrid.core.schema_faults import Fault, FaultFinder
from slotgrid.core.validators import JsonSchema, SchemaFault, Validator, pattern_validator
from slotgrid.core.value_preview import preview
from slotgrid.json_schema_refs import ReferenceFault, resolve, target
from slotgrid.url_credentials import SECRET_PART, URL_PASSWORD, credential_texts, masked

__all__ = ["REDACTED", "JsonSchema", "Schema", "SchemaFault"]

REDACTED = "[redacted]"


class Schema:
    """A JSON Schema (draft 2020-12 unless `$schema` names another) and its compiled validator.

    Compilation costs 1.8 ms, a check of a valid value 1 µs: so never compile per task.
    The work for any value is bounded by the schema, not by the value: only parts of the value that
    the schema describes are visited. `has_secrets`: some part is `writeOnly` or has a SECRET_PART.
    References are JSON pointers into the schema itself: nothing is fetched.
    Raises SchemaFault if `document` is not a valid schema, or has a pattern that cannot be
    matched in linear time.
    """

    def __init__(self, document: JsonSchema) -> None:
        self.document: dict[str, Any] = deepcopy(dict(document))
        validator_class = validator_for(self.document, default=jsonschema.Draft202012Validator)
        known = validator_class.META_SCHEMA["$schema"]
        draft = self.document.get("$schema", known)
        if str(draft).rstrip("#") != known.rstrip("#") or "draft-03" in known:
            raise SchemaFault(f"$schema {draft!r} is not a supported draft")
        if not jsonschema_rs.meta.is_valid(self.document):
            try:  # 100 times slower, but it says where the fault is
                validator_class.check_schema(self.document)
            except jsonschema.SchemaError as cause:
                raise SchemaFault(f"{pointer(cause.absolute_path)}: {cause.message}") from cause
        _check_references(self.document)
        self._draft = str(draft)
        self._validator = Validator(self.document)
        self._defaults = _parts_with({"default"}, self.document)
        self._write_only = _parts_with({"writeOnly"}, self.document)
        self._secret = _parts_with({"writeOnly", SECRET_PART}, self.document)
        self.has_secrets = bool(self._secret)

    def violations(self, value: Any) -> list[Violation]:
        """The faults of `value`, at most FAULTS_LIMIT; empty if it is valid."""
        if self._validator.accepts(value):
            return []
        shown = self.redacted(value) if self.has_secrets else value
        found = [
            Violation(pointer(fault.path), self._message(fault, value, shown))
            for fault in islice(self._finder.find(value), FAULTS_LIMIT)
        ]
        return sorted(found, key=lambda violation: violation.pointer)

    def with_defaults(self, value: Any) -> Any:
        """A valid `value` with the schema's defaults for missing members."""
        return _fill(self.document, value, self.document, self._defaults)

    def secrets(self, value: Any) -> list[str]:
        """The `writeOnly` strings in `value`, and the passwords in its URLs."""
        return list(_secrets(self.document, value, self.document, self._secret))

    def redacted(self, value: Any) -> Any:
        """`value` for display: REDACTED replaces `writeOnly` parts and the passwords in URLs."""
        return _redact(self.document, value, self.document, self._secret)

    @cached_property
    def _finder(self) -> FaultFinder:
        return FaultFinder(self.document, self._draft)

    def _message(self, fault: Fault, value: Any, shown: Any) -> str:
        """The fault in one sentence, without the value if the value is or contains a secret.

        `shown` is the value as it may be displayed.
        """
        if self.has_secrets:
            below_secret, above_secret = self._hidden(fault.path)
            has_secret = above_secret or _at(fault.path, value) != _at(fault.path, shown)
            if below_secret or (has_secret and not fault.names_only):
                return f"does not fulfil `{fault.keyword}: {preview(fault.limit)}`"
        return fault.message

    def _hidden(self, path: Iterable[str | int]) -> tuple[bool, bool]:
        """Whether the value at the path is secret, and whether a value at or below it is."""
        secret, parts = False, _with_alternatives([self.document], self.document)
        for step in path:
            secret = secret or any(part.get("writeOnly") for part in parts)
            below = [schema for part in parts for schema in _below(part, step)]
            parts = _with_alternatives(below, self.document)
        secret = secret or any(part.get("writeOnly") for part in parts)
        return secret, any(_marks(part, self._write_only) for part in parts)


def _at(path: Iterable[str | int], value: Any) -> Any:
    """The part of the value at the path, or what is there instead where the path ends early."""
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            break
    return value


def _mappings(document: Any) -> Iterator[Mapping[str, Any]]:
    """Every object in the document: all schemas, and some objects that are data."""
    if isinstance(document, Mapping):
        yield document
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from _mappings(part)


def _check_references(document: JsonSchema) -> None:
    """Raise SchemaFault for references that are not JSON pointers from the root."""
    for part in _mappings(document):
        for keyword in ("$id", "$dynamicRef", "$recursiveRef"):
            inside = keyword != "$id" or part is not document
            if inside and isinstance(part.get(keyword), str):
                raise SchemaFault(f"{keyword} is not supported; refer by $ref: #/...")
        try:
            resolve(part, document)
        except ReferenceFault as fault:
            raise SchemaFault(str(fault)) from None


def _alternatives(schema: JsonSchema) -> Iterator[Any]:
    """The schemas that also apply, or may apply, to the same value."""
    for keyword in ("anyOf", "oneOf", "allOf"):
        yield from schema.get(keyword, ())
    for keyword in ("then", "else"):
        if keyword in schema:
            yield schema[keyword]


def _below(schema: JsonSchema, key: str | int) -> Iterator[Any]:
    """The schemas of a member or an item of the value."""
    if isinstance(key, int):
        first = schema.get("prefixItems", ())
        yield first[key] if key < len(first) else schema.get("items", True)
        return
    named = [schema["properties"][key]] if key in schema.get("properties", ()) else []
    for pattern, part in schema.get("patternProperties", {}).items():
        if pattern_validator(pattern).accepts(key):
            named.append(part)
    yield from named or [schema.get("additionalProperties", True)]


def _with_alternatives(schemas: Iterable[Any], root: JsonSchema) -> list[JsonSchema]:
    """These schemas, resolved, and all that may also apply to the same value."""
    found: list[JsonSchema] = []
    seen: set[int] = set()
    waiting = list(schemas)
    while waiting:
        schema = waiting.pop()
        if id(schema) not in seen:
            seen.add(id(schema))
            found.append(resolve(schema, root))
            waiting += _alternatives(found[-1])
    return found


Marked = frozenset[int]
"""The `id()` of each part of a schema with one of some keywords in it or behind its references."""


def _parts_with(keywords: set[str], document: JsonSchema) -> Marked:
    parts = [*_mappings(document)]
    marked = {id(part) for part in parts if not keywords.isdisjoint(part)}
    before = -1
    while before != len(marked):  # until no reference leads from an unmarked part to a marked one
        before = len(marked)
        for part in reversed(parts):  # nested parts are later in the list
            if id(part) not in marked and any(id(one) in marked for one in _next(part, document)):
                marked.add(id(part))
    return frozenset(marked)


def _next(part: JsonSchema, root: JsonSchema) -> Iterator[Any]:
    """The direct children of a part, and the target of its reference."""
    for inside in part.values():
        yield from inside if isinstance(inside, list) else [inside]
    if isinstance(part.get("$ref"), str):
        yield target(part["$ref"], root)


def _marks(schema: JsonSchema, marked: Marked) -> bool:
    """Whether a resolved schema, possibly a merged copy, is marked or has a marked child."""
    return id(schema) in marked or any(
        id(one) in marked
        for inside in schema.values()
        for one in (inside if isinstance(inside, list) else [inside])
    )


Change = Callable[[Any, Any, JsonSchema, Marked], Any]


def _each(change: Change, schema: JsonSchema, value: Any, root: JsonSchema, marked: Marked) -> Any:
    """`value` with `change` applied to its members or items, by their own schemas.

    Only members and items that a marked schema describes are visited; without any, the result is
    `value` itself.
    """

    def changed(key: str | int, part: Any) -> Any:
        for below in _below(schema, key):
            part = change(below, part, root, marked)
        return part

    if isinstance(value, Mapping):
        names = _names(schema, value, marked)
        return {**value, **{name: changed(name, value[name]) for name in names}} if names else value
    if isinstance(value, list):
        count = _count(schema, value, marked)
        first = [changed(index, value[index]) for index in range(count)]
        return [*first, *value[count:]] if count else value
    return value


def _names(schema: JsonSchema, value: Mapping[str, Any], marked: Marked) -> list[str]:
    """The members of the value that a marked schema describes."""
    rest = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
    if any(id(part) in marked for part in rest):
        return list(value)
    named = schema.get("properties", {})
    return [name for name, part in named.items() if id(part) in marked and name in value]


def _count(schema: JsonSchema, value: list[Any], marked: Marked) -> int:
    """How many of the value's first items a marked schema may describe."""
    items = schema.get("items")
    first = items if isinstance(items, list) else schema.get("prefixItems", [])
    if id(items) in marked or id(schema.get("additionalItems")) in marked:
        return len(value)
    return min(len(first), len(value)) if any(id(part) in marked for part in first) else 0


def _fill(schema: Any, value: Any, root: JsonSchema, marked: Marked) -> Any:
    if id(schema) not in marked:
        return value
    schema = resolve(schema, root)
    value = _each(_fill, schema, value, root, marked)
    if isinstance(value, Mapping):
        missing = {
            name: described["default"]
            for name, part in schema.get("properties", {}).items()
            if name not in value
            for described in [resolve(part, root)]
            if "default" in described
        }
        return {**value, **deepcopy(missing)} if missing else value
    return value


def _redact(schema: Any, value: Any, root: JsonSchema, marked: Marked) -> Any:
    if id(schema) not in marked:
        return value
    schema = resolve(schema, root)
    if schema.get("writeOnly"):
        return REDACTED
    if _has_url_password(schema, value):
        return masked(value, REDACTED)
    for alternative in _alternatives(schema):
        value = _redact(alternative, value, root, marked)
    return _each(_redact, schema, value, root, marked)


def _secrets(schema: Any, value: Any, root: JsonSchema, marked: Marked) -> Iterator[str]:
    if id(schema) not in marked:
        return
    schema = resolve(schema, root)
    if schema.get("writeOnly"):
        yield from _strings(value)
        return
    if _has_url_password(schema, value):
        yield from credential_texts(value)
        return
    for alternative in _alternatives(schema):
        yield from _secrets(alternative, value, root, marked)
    keys: Iterable[str | int] = ()
    if isinstance(value, Mapping):
        keys = _names(schema, value, marked)
    elif isinstance(value, list):
        keys = range(_count(schema, value, marked))
    for key in keys:
        for below in _below(schema, key):
            yield from _secrets(below, value[key], root, marked)


def _has_url_password(schema: JsonSchema, value: Any) -> bool:
    return isinstance(value, str) and schema.get(SECRET_PART) == URL_PASSWORD


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(part)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
