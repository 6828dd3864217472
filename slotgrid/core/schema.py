"""JSON Schema, compiled once: what is wrong with a value, its defaults, its secrets."""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from itertools import islice
from typing import Any
from urllib.parse import unquote

import jsonschema
import jsonschema_rs
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from slotgrid.core.errors import FAULTS_LIMIT, Violation, pointer

JsonSchema = Mapping[str, Any]
REDACTED = "[redacted]"
REFERENCES_LIMIT = 32
"""A chain of references longer than this is taken for a circle."""


class SchemaFault(ValueError):
    """The schema itself is not a valid JSON Schema, or refers to what is not in it."""


class Schema:
    """A JSON Schema (draft 2020-12 unless it says otherwise) and its compiled validator.

    Compiling costs 1.8 ms, a check some 10 µs: so never compile on the way of a task. What is
    valid, which is nearly everything, jsonschema-rs says in 1 µs; jsonschema has the last word on
    everything else, and all the words.
    `has_secrets`: it marks something `writeOnly`.
    References are JSON pointers into the schema itself: nothing is ever fetched.
    Raises SchemaFault when `document` is not a valid schema.
    """

    def __init__(self, document: JsonSchema) -> None:
        self.document: dict[str, Any] = deepcopy(dict(document))
        validator_class = validator_for(self.document, default=jsonschema.Draft202012Validator)
        try:
            validator_class.check_schema(self.document)
        except jsonschema.SchemaError as cause:
            raise SchemaFault(f"{pointer(cause.absolute_path)}: {cause.message}") from cause
        known = validator_class.META_SCHEMA["$schema"]
        draft = self.document.get("$schema", known)
        if str(draft).rstrip("#") != known.rstrip("#"):
            raise SchemaFault(f"$schema {draft!r} is no draft known here")
        _check_references(self.document)
        self._validator: Validator = validator_class(
            self.document, format_checker=validator_class.FORMAT_CHECKER
        )
        self._quick = _quick_validator(self.document)
        self._defaults = any("default" in part for part in _mappings(self.document))
        self.has_secrets = any("writeOnly" in part for part in _mappings(self.document))

    def violations(self, value: Any) -> list[Violation]:
        """What is wrong with `value`, up to FAULTS_LIMIT faults; empty when it is valid."""
        if self._quick is not None and _says_yes(self._quick, value):
            return []
        public = self.redacted(value)
        found = [
            Violation(pointer(error.absolute_path), _message(error, public))
            for error in islice(self._validator.iter_errors(value), FAULTS_LIMIT)
        ]
        return sorted(found, key=lambda violation: violation.pointer)

    def with_defaults(self, value: Any) -> Any:
        """`value` with the schema's defaults filled in where nothing was given."""
        return _fill(self.document, value, self.document) if self._defaults else value

    def secrets(self, value: Any) -> list[str]:
        """The strings in `value` that the schema marks `writeOnly`."""
        return list(_secrets(self.document, value, self.document)) if self.has_secrets else []

    def redacted(self, value: Any) -> Any:
        """`value` as it may be shown: what is `writeOnly` replaced."""
        return _redact(self.document, value, self.document) if self.has_secrets else value


def _quick_validator(document: dict[str, Any]) -> jsonschema_rs.Validator | None:
    try:
        return jsonschema_rs.validator_for(document, validate_formats=True)
    except (ValueError, jsonschema_rs.ReferencingError):
        return None  # a dialect that only jsonschema reads


def _says_yes(quick: jsonschema_rs.Validator, value: Any) -> bool:
    try:
        return quick.is_valid(value)
    except ValueError:  # a value that it cannot read, such as a number beyond its range
        return False


def _message(error: jsonschema.ValidationError, public: Any) -> str:
    """The fault in one sentence, without the value when that holds a secret or is a book."""
    message = error.message
    if _at(public, error.absolute_path) != error.instance:
        message = f"does not fulfil `{error.validator}: {error.validator_value}`"
    return message if len(message) <= 300 else f"{message[:200]} … {message[-80:]}"


def _at(value: Any, path: Any) -> Any:
    """What stands at `path`; whatever is below a redacted value is redacted too."""
    for part in path:
        if value == REDACTED:
            break
        value = value[part]
    return value


def _mappings(document: Any) -> Iterator[Mapping[str, Any]]:
    """Every object in the document: all its schemas, and some that only look like one."""
    if isinstance(document, Mapping):
        yield document
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from _mappings(part)


def _check_references(document: JsonSchema) -> None:
    """Raise SchemaFault for what would be fetched, or found otherwise than from the root."""
    for part in _mappings(document):
        for keyword in ("$id", "$dynamicRef", "$recursiveRef"):
            inside = keyword != "$id" or part is not document
            if inside and isinstance(part.get(keyword), str):
                raise SchemaFault(f"{keyword} is not supported; refer by $ref: #/...")
        _resolve(part, document)


def _resolve(schema: Any, root: JsonSchema) -> JsonSchema:
    """The schema with its `$ref` looked up; what stands beside the reference counts too."""
    reference = None
    for _ in range(REFERENCES_LIMIT):
        if not isinstance(schema, Mapping):
            return {}  # true and false say nothing about defaults and secrets
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        beside = {keyword: part for keyword, part in schema.items() if keyword != "$ref"}
        target = _target(reference, root)
        schema = {**target, **beside} if isinstance(target, Mapping) else beside
    raise SchemaFault(f"$ref {reference!r} leads in a circle")


def _target(reference: str, root: JsonSchema) -> Any:
    if reference != "#" and not reference.startswith("#/"):
        raise SchemaFault(f"$ref {reference!r} is not a JSON pointer into the schema (#/...)")
    target: Any = root
    for part in unquote(reference).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            target = target[int(key) if isinstance(target, list) else key]
        except (LookupError, TypeError, ValueError):
            raise SchemaFault(f"$ref {reference!r} leads nowhere") from None
    return target


def _alternatives(schema: JsonSchema) -> Iterator[Any]:
    """The schemas that the same value stands under as well, or may."""
    for keyword in ("anyOf", "oneOf", "allOf"):
        yield from schema.get(keyword, ())
    for keyword in ("then", "else"):
        if keyword in schema:
            yield schema[keyword]


def _below(schema: JsonSchema, key: str | int) -> Iterator[Any]:
    """The schemas that a member or an item of the value stands under."""
    if isinstance(key, int):
        first = schema.get("prefixItems", ())
        yield first[key] if key < len(first) else schema.get("items", True)
        return
    named = [schema["properties"][key]] if key in schema.get("properties", ()) else []
    for pattern, part in schema.get("patternProperties", {}).items():
        if re.search(pattern, key):
            named.append(part)
    yield from named or [schema.get("additionalProperties", True)]


Change = Callable[[Any, Any, JsonSchema], Any]


def _each(change: Change, schema: JsonSchema, value: Any, root: JsonSchema) -> Any:
    """A copy of `value` with `change` made to its members or items, by their own schemas."""

    def changed(key: str | int, part: Any) -> Any:
        for below in _below(schema, key):
            part = change(below, part, root)
        return part

    if isinstance(value, Mapping):
        return {name: changed(name, part) for name, part in value.items()}
    if isinstance(value, list):
        return [changed(index, item) for index, item in enumerate(value)]
    return value


def _fill(schema: Any, value: Any, root: JsonSchema) -> Any:
    schema = _resolve(schema, root)
    value = _each(_fill, schema, value, root)
    if isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            described = _resolve(part, root)
            if name not in value and "default" in described:
                value[name] = deepcopy(described["default"])
    return value


def _redact(schema: Any, value: Any, root: JsonSchema) -> Any:
    schema = _resolve(schema, root)
    if schema.get("writeOnly"):
        return REDACTED
    for alternative in _alternatives(schema):
        value = _redact(alternative, value, root)
    return _each(_redact, schema, value, root)


def _secrets(schema: Any, value: Any, root: JsonSchema) -> Iterator[str]:
    schema = _resolve(schema, root)
    if schema.get("writeOnly"):
        yield from _strings(value)
        return
    for alternative in _alternatives(schema):
        yield from _secrets(alternative, value, root)
    if isinstance(value, Mapping | list):
        members = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, part in members:
            for below in _below(schema, key):
                yield from _secrets(below, part, root)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(part)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
