"""What a function takes and gives, read from its signature: JSON Schemas, and values to match.

The first parameter is the context, whatever its name; the others are the input's properties.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec

from slotgrid.core.errors import InvalidInput, Violation
from slotgrid.core.events import NotJson
from slotgrid.core.schema import Schema, SchemaFault

_ANY: Any = Any
_CLOSED = frozenset({"additionalProperties", "unevaluatedProperties"})
_REFERENCE = "#/$defs/{name}"


class SignatureFault(ValueError):
    """The signature, or a schema given instead of it, cannot be used; the text says why."""


@dataclass(frozen=True)
class Signature:
    """How JSON becomes a function's arguments, and its return value JSON.

    `types` has a parameter's annotation where JSON must be converted to it; `parameters` are the
    names it takes, None when it takes any.
    """

    input: Schema
    output: Schema | None
    types: Mapping[str, Any]
    parameters: frozenset[str] | None

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments for an input that is valid by `input`.

        What was not given is left to Python's own defaults. Raises InvalidInput for what a
        JSON Schema cannot say: a date that is none, a name that the function does not take.
        """
        arguments: dict[str, Any] = {}
        faults: list[Violation] = []
        for name, value in given.items():
            if self.parameters is not None and name not in self.parameters:
                faults.append(Violation(f"/{name}", "the function has no such parameter"))
                continue
            try:
                arguments[name] = msgspec.convert(value, self.types.get(name, _ANY))
            except msgspec.ValidationError as cause:
                faults.append(Violation(f"/{name}", _in_words(cause)))
        if faults:
            raise InvalidInput(f"{faults[0].pointer}: {faults[0].message}", errors=faults)
        return arguments


def plain_json(value: Any) -> Any:
    """`value` as JSON would give it back: dataclasses as objects, enums as their values.

    Raises NotJson for what has no JSON form.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError) as cause:
        raise NotJson(f"not JSON: {cause}") from cause


def read_signature(
    function: Callable[..., Any],
    *,
    input_schema: Mapping[str, Any] | None = None,
    output_schema: Mapping[str, Any] | None = None,
) -> Signature:
    """Read the schemas; those given win over the annotations. Raises SignatureFault."""
    context, *parameters = _parameters(function)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    named = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
    names = None if open_ended else frozenset(p.name for p in named)
    types: Mapping[str, Any] = {}
    if input_schema is None:
        types = {p.name: _annotation(function, p.name, p.annotation) for p in named}
        document = _input_document(function, named, types, context.name, open_ended=open_ended)
    else:
        document = _given_input(input_schema, names)
    if output_schema is None:
        output_schema = _output_document(function)
    return Signature(
        input=_compiled("input", document),
        output=None if output_schema is None else _compiled("output", output_schema),
        # Most parameters are what JSON has already; only the others cost a conversion.
        types={name: kind for name, kind in types.items() if kind is not _ANY},
        parameters=names,
    )


def describe(function: Callable[..., Any]) -> str:
    """The first paragraph of the docstring on one line; empty when there is none."""
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(function).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not parameters or parameters[0].kind not in positional:
        raise SignatureFault("the first parameter must be the context")
    for parameter in parameters[1:]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise SignatureFault(f"`*{parameter.name}` cannot be given by name")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise SignatureFault(f"parameter `{parameter.name}` cannot be given by name")
    return parameters


def _annotation(function: Callable[..., Any], name: str, annotation: Any) -> Any:
    """The annotation as a type; one that is missing means any JSON.

    Resolved one by one, for the context's may be imported for type checkers only.
    """
    if annotation is inspect.Signature.empty:
        return _ANY
    holder = type("_", (), {"__annotations__": {name: annotation}})
    try:
        globals_ = getattr(inspect.unwrap(function), "__globals__", {})
        return get_type_hints(holder, globalns=globals_, include_extras=True)[name]
    except Exception as cause:  # evaluating text that an author wrote may raise anything
        raise SignatureFault(f"`{name}`: the annotation {annotation!r} fails: {cause}") from cause


def _input_document(
    function: Callable[..., Any],
    named: list[inspect.Parameter],
    types: Mapping[str, Any],
    context: str,
    *,
    open_ended: bool,
) -> dict[str, Any]:
    for name, kind in types.items():
        _schema_of(f"parameter `{name}`", kind)
    schemas, definitions = msgspec.json.schema_components(types.values(), ref_template=_REFERENCE)
    told = _parameter_descriptions(function)
    properties: dict[str, Any] = {}
    for parameter, found in zip(named, schemas, strict=True):
        schema = dict(found)
        if parameter.name in told:
            schema.setdefault("description", told[parameter.name])
        if parameter.default is not parameter.empty:
            schema["default"] = _default(parameter)
        properties[parameter.name] = schema
    document: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": [p.name for p in named if p.default is p.empty],
        "additionalProperties": open_ended,
    }
    if open_ended:
        # The context is passed by position: a property of its name would be given twice.
        document["propertyNames"] = {"not": {"const": context}}
    if definitions:
        document["$defs"] = definitions
    return document


def _given_input(given: Mapping[str, Any], names: frozenset[str] | None) -> dict[str, Any]:
    document = dict(given)
    if document.setdefault("type", "object") != "object":
        raise SignatureFault('the given input schema must have the type "object"')
    if names is not None:
        for name in document.get("properties") or ():
            if name not in names:
                raise SignatureFault(f"the given input schema has `{name}`, the function has not")
        if not _CLOSED & document.keys():
            # Not `additionalProperties`, which would not see what `allOf` and its like name.
            document["unevaluatedProperties"] = False
    return document


def _output_document(function: Callable[..., Any]) -> dict[str, Any] | None:
    annotation = inspect.signature(function).return_annotation
    if annotation is inspect.Signature.empty:
        return None
    return _schema_of("the returned type", _annotation(function, "return", annotation))


def _schema_of(what: str, kind: Any) -> dict[str, Any]:
    """The schema of one type, complete in itself. Raises SignatureFault, naming `what`."""
    try:
        (schema,), definitions = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    except Exception as cause:  # msgspec asks the author's classes, which may raise anything
        reason = str(cause).strip().rpartition("\n")[2] or type(cause).__name__
        raise SignatureFault(f"{what} has no JSON Schema: {reason}") from cause
    return {**schema, "$defs": definitions} if definitions else schema


def _default(parameter: inspect.Parameter) -> Any:
    try:
        return plain_json(parameter.default)
    except NotJson as cause:
        raise SignatureFault(f"the default of `{parameter.name}` is {cause}") from cause


def _compiled(which: str, document: Mapping[str, Any]) -> Schema:
    try:
        return Schema(document)
    except SchemaFault as cause:
        raise SignatureFault(f"the {which} schema is not valid at {cause}") from cause


def _parameter_descriptions(function: Callable[..., Any]) -> dict[str, str]:
    """What lines such as `url: where to begin` of the docstring say about each name.

    A line that is indented further goes on with the one before.
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


def _in_words(error: msgspec.ValidationError) -> str:
    return str(error).replace("`", "").replace("$.", "").replace("$", "")
