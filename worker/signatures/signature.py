"""The JSON Schemas of a function's input and output, read from its signature."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from slotgrid.core.errors import Violation
from slotgrid.core.event_log import NotJson
from slotgrid.core.schema import JsonSchema, Schema, SchemaFault
from worker.json_values import plain_json
from worker.signatures.binding import (
    Binding,
    SignatureFault,
    annotation_of,
    read_binding,
)

_CLOSED = frozenset({"additionalProperties", "unevaluatedProperties"})
_REFERENCE = "#/$defs/{name}"


class InputSchema(Schema):
    """The schema of a function's input; the binding checks what a schema cannot express.

    So all faults of an input are found before its task waits for a slot.
    """

    def __init__(self, document: JsonSchema, binding: Binding) -> None:
        super().__init__(document)
        self._binding = binding

    def violations(self, value: Any) -> list[Violation]:
        """All violations in `value`; empty if the function can be called with it."""
        return Schema.violations(self, value) or self._binding.faults(value)


@dataclass(frozen=True)
class Signature:
    """The schemas of a function, and the binding of a valid input to its arguments."""

    input: Schema
    output: Schema | None
    binding: Binding


def read_signature(
    function: Callable[..., Any],
    *,
    input_schema: Mapping[str, Any] | None = None,
    output_schema: Mapping[str, Any] | None = None,
) -> Signature:
    """Read the schemas; given ones take precedence over annotations. Raises SignatureFault."""
    binding = read_binding(function, converted=input_schema is None)
    if input_schema is None:
        document = _input_document(function, binding)
    else:
        document = _given_input(input_schema, binding)
    if output_schema is None:
        output_schema = _output_document(function)
    return Signature(
        input=_compiled("input", lambda: InputSchema(document, binding)),
        output=_compiled("output", lambda: Schema(output_schema)) if output_schema else None,
        binding=binding,
    )


def describe(function: Callable[..., Any]) -> str:
    """The first paragraph of the docstring on one line; empty without a docstring."""
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())


def _input_document(function: Callable[..., Any], binding: Binding) -> dict[str, Any]:
    types = binding.types
    for name, kind in types.items():
        _schema_of(f"parameter `{name}`", kind)
    schemas, definitions = msgspec.json.schema_components(types.values(), ref_template=_REFERENCE)
    told = _parameter_descriptions(function)
    properties: dict[str, Any] = {}
    for parameter, found in zip(binding.parameters, schemas, strict=True):
        schema = dict(found)
        if parameter.name in told:
            schema.setdefault("description", told[parameter.name])
        if parameter.default is not parameter.empty:
            schema["default"] = _default(parameter)
        properties[parameter.name] = schema
    document: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": [p.name for p in binding.parameters if p.default is p.empty],
        "additionalProperties": binding.open_ended,
    }
    if binding.open_ended:
        # The context is passed by position: a property of its name would be given twice.
        document["propertyNames"] = {"not": {"const": binding.context}}
    if definitions:
        document["$defs"] = _described(definitions)
    return document


def _given_input(given: Mapping[str, Any], binding: Binding) -> dict[str, Any]:
    document = dict(given)
    if document.setdefault("type", "object") != "object":
        raise SignatureFault('the given input schema must have the type "object"')
    if not binding.open_ended:
        for name in document.get("properties") or ():
            if name not in binding.types:
                raise SignatureFault(f"the given input schema has `{name}`, the function has not")
        if not _CLOSED & document.keys():
            # Not `additionalProperties`, which ignores properties named in `allOf` and the like.
            document["unevaluatedProperties"] = False
    return document


def _output_document(function: Callable[..., Any]) -> dict[str, Any] | None:
    annotation = inspect.signature(function).return_annotation
    if annotation is inspect.Signature.empty:
        return None
    return _schema_of("the returned type", annotation_of(function, "return", annotation))


def _schema_of(what: str, kind: Any) -> dict[str, Any]:
    """The self-contained schema of one type. Raises SignatureFault, which names `what`."""
    try:
        (schema,), definitions = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    except Exception as cause:  # msgspec calls the author's classes, which may raise anything
        reason = str(cause).strip().rpartition("\n")[2] or type(cause).__name__
        raise SignatureFault(f"{what} has no JSON Schema: {reason}") from cause
    return {**schema, "$defs": _described(definitions)} if definitions else schema


def _described(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions, with the docstrings that describe them free of their indentation."""
    return {
        name: {**schema, "description": inspect.cleandoc(schema["description"])}
        if "description" in schema
        else schema
        for name, schema in definitions.items()
    }


def _default(parameter: inspect.Parameter) -> Any:
    try:
        return plain_json(parameter.default)
    except NotJson as cause:
        raise SignatureFault(f"the default of `{parameter.name}` is {cause}") from cause


def _compiled(which: str, compile_: Callable[[], Schema]) -> Schema:
    try:
        return compile_()
    except SchemaFault as cause:
        raise SignatureFault(f"the {which} schema is not valid at {cause}") from cause


def _parameter_descriptions(function: Callable[..., Any]) -> dict[str, str]:
    """The descriptions by name from docstring lines such as `url: where to begin`.

    A line with a deeper indent continues the line before.
    """
    told: dict[str, str] = {}
    name, indent = "", 0
    for line in (inspect.getdoc(function) or "").splitlines():
        text = line.strip()
        depth = len(line) - len(line.lstrip())
        if name and text and depth > indent:
            told[name] += f" {text}"
        elif match := re.match(r"([A-Za-z_]\w*)(?: \([^)]*\))?: +(\S.*)", text):
            name, indent = match[1], depth
            told[name] = match[2]
        else:
            name = ""
    return told
