"""The functions' schemas as components of the document, in a form that client generators accept.

JSON Schema allows more than generators can read. Every definition becomes a component of its own,
with a name that gives a unique class name; one that several functions have is one component. A
reference points to a component, never inside one.
`true` and `false` as schemas, and lists of mixed constants, are replaced by equal schemas.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from slotgrid.core.schema import JsonSchema
from slotgrid.core.spec import FunctionSpec
from slotgrid.intake.schemas.basics import ref
from slotgrid.json_schema_refs import target

DATA_KEYWORDS = frozenset({"const", "enum", "default", "example", "examples"})
"""Keywords whose values are data: a `$ref` inside is no reference."""
BY_NAME = frozenset({"properties", "patternProperties", "dependentSchemas"})
"""Keywords whose values map free names to schemas: the names are no keywords."""
DEFINITIONS = frozenset({"$defs", "definitions"})
LEFT_OUT = frozenset({"$schema", "$id", "title", *DEFINITIONS})
"""Keywords of a root, and `title`: generators make class names of titles, which may collide."""


class Names:
    """Component names that stay unique after a generator turns them into class names.

    `taken` are the schemas that already have a name. The class names that a generator derives for
    objects inside them, from the names of their properties, are taken too.
    """

    def __init__(self, taken: Mapping[str, JsonSchema]) -> None:
        self._taken: set[str] = set()
        for name, schema in taken.items():
            self._take(name, schema)

    def free(self, name: str, schema: Any) -> str:
        """The name if its class names are unique, else the name and a hash of it."""
        unique = name
        if not self._taken.isdisjoint(_classes(name, schema)):
            unique = f"{name}.{hashlib.sha256(name.encode()).hexdigest()[:6]}"
        self._take(unique, schema)
        return unique

    def _take(self, name: str, schema: Any) -> None:
        self._taken.update(_classes(name, schema))


def component_name(function: str, part: str) -> str:
    """Component name of a function's `input` or `output`: `/` as `.`, other signs as `..hex.`."""
    safe = re.sub(r"[^\w/-]", lambda match: f"..{ord(match[0]):x}.", function, flags=re.ASCII)
    return f"{safe.replace('/', '.')}.{part}"


def function_components(
    specs: Sequence[FunctionSpec], others: Mapping[str, JsonSchema]
) -> dict[str, JsonSchema]:
    """The schemas made from the functions: those of each function, and of all together.

    `others` are the other components of the document.
    """
    components: dict[str, JsonSchema] = {
        "FunctionName": {"type": "string"},
        "FunctionInput": {
            "type": "object",
            "description": "The function's input; see the schema of the function",
        },
        "FunctionResult": {"description": "The function's return value"},
    }
    names = Names({**others, **components})
    shared = _shared(specs, names)
    inputs, outputs = [], []
    for spec in specs:
        document = spec.input.document
        name, made = _embedded(document, component_name(spec.name, "input"), names, shared)
        described = {"description": f"The input of `{spec.name}`. {spec.description}".strip()}
        components |= made
        components[name] = {**made[name], **described}
        inputs.append(ref(name))
        if spec.output is not None:
            document = spec.output.document
            name, made = _embedded(document, component_name(spec.name, "output"), names, shared)
            components |= made
            outputs.append(ref(name))
    if specs:
        components["FunctionName"] = {"type": "string", **_enum([spec.name for spec in specs])}
        components["FunctionInput"] = {
            "description": components["FunctionInput"]["description"],
            "anyOf": inputs,
        }
    if outputs:
        rest: JsonSchema = {"description": "Any JSON, for a function without an output schema"}
        components["FunctionResult"] = {**components["FunctionResult"], "anyOf": [*outputs, rest]}
    return components


def _shared(specs: Sequence[FunctionSpec], names: Names) -> dict[str, str]:
    """The component names of definitions that several functions have, by their text."""
    texts: dict[str, Counter[str]] = {}
    parts: dict[str, Any] = {}
    for spec in specs:
        of_spec: dict[str, str] = {}
        for document in _documents(spec):
            for reference in _references(document):
                text = _text(document, reference)
                of_spec[text] = reference.rpartition("/")[2]
                parts[text] = target(reference, document)
        for text, name in of_spec.items():
            texts.setdefault(name, Counter())[text] += 1
    most = {name: found.most_common(1)[0] for name, found in texts.items()}
    return {
        text: names.free(name, parts[text])
        for name, (text, count) in sorted(most.items())
        if count > 1 and re.fullmatch(r"\w+", name, re.ASCII)
    }


def _documents(spec: FunctionSpec) -> list[JsonSchema]:
    return [spec.input.document, *([spec.output.document] if spec.output else [])]


def _text(document: JsonSchema, reference: str) -> str:
    """A definition and all that it refers to, as text: equal for equal definitions."""
    found: dict[str, Any] = {}
    waiting = [reference]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found[each] = target(each, document)
            waiting += _references(found[each])
    return json.dumps([reference, found], sort_keys=True)


def _embedded(
    document: JsonSchema, name: str, names: Names, shared: Mapping[str, str]
) -> tuple[str, dict[str, dict[str, Any]]]:
    """The component name of a schema; the schema and its definitions as components."""
    parts = {"#": document}
    parts |= {each: target(each, document) for each in sorted(_references(document))}
    own: dict[str, str] = {}
    for reference, part in sorted(parts.items(), key=lambda item: len(item[0])):
        known = shared.get(_text(document, reference)) if reference != "#" else None
        own[reference] = known or names.free(name + _ending(reference, parts), part)
    return own["#"], {own[reference]: _written(part, own) for reference, part in parts.items()}


def _ending(reference: str, references: Collection[str]) -> str:
    """The suffix of a definition's name: the last part of its pointer; if ambiguous, all parts."""
    if reference == "#":
        return ""
    parts = [re.sub(r"[^A-Za-z0-9_-]", "-", part) for part in reference.split("/")[1:]]
    same = [one for one in references if one.rpartition("/")[2] == reference.rpartition("/")[2]]
    return "." + (parts[-1] if len(same) == 1 else ".".join(parts))


def _references(part: Any) -> set[str]:
    """All references in a schema."""
    found = (schema.get("$ref") for schema in _schemas(part))
    return {reference for reference in found if isinstance(reference, str)}


def _schemas(part: Any) -> Iterator[Mapping[str, Any]]:
    """A schema and all schemas inside it."""
    if isinstance(part, list):
        for item in part:
            yield from _schemas(item)
    elif isinstance(part, Mapping):
        yield part
        for key, value in part.items():
            if key in BY_NAME | DEFINITIONS and isinstance(value, Mapping):
                for one in value.values():
                    yield from _schemas(one)
            elif key not in DATA_KEYWORDS:
                yield from _schemas(value)


def _written(part: Any, own: Mapping[str, str]) -> Any:
    """The schema in the form for generators; `own` maps references to component names."""
    if isinstance(part, bool):
        return {} if part else {"not": {}}
    if isinstance(part, list):
        return [_written(item, own) for item in part]
    if not isinstance(part, Mapping):
        return part
    written: dict[str, Any] = {}
    for key, value in part.items():
        if key in LEFT_OUT:
            continue
        if key == "$ref" and isinstance(value, str):
            written |= ref(own[value])
        elif key in BY_NAME and isinstance(value, Mapping):
            written[key] = {name: _written(one, own) for name, one in value.items()}
        elif key == "items" and value is False and "prefixItems" in part:
            written["maxItems"] = len(part["prefixItems"])
        elif key == "enum":
            written |= _enum(value)
        elif key in DATA_KEYWORDS or isinstance(value, bool):
            written[key] = value
        else:
            written[key] = _written(value, own)
    if written.get("type") == "array" and not {"items", "prefixItems"} & written.keys():
        written["items"] = {}  # a generator leaves out a schema that does not say it
    return written


def _enum(values: Sequence[Any]) -> dict[str, Any]:
    """A schema for one of these constants: an `enum` if a generator accepts it, else `anyOf`.

    A generator makes a name of each value, so these must differ, and needs values of one type.
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds == {str}:
        named = {re.sub(r"[^a-z0-9]", "", value.lower()) for value in values if value is not None}
        plain = "" not in named and len(named) == len(values) - (None in values)
    else:
        plain = kinds == {int}
    if plain:
        return {"enum": list(values)}
    return {"anyOf": [{"type": "null"} if value is None else {"const": value} for value in values]}


def _classes(name: str, schema: Any) -> set[str]:
    """The class names that a generator makes of a component, in lower case, without punctuation."""
    return {_plain(name), *_inner_classes(name, schema)}


def _inner_classes(name: str, schema: Any) -> Iterator[str]:
    """The class names of the unnamed objects and enums inside a schema."""
    if not isinstance(schema, Mapping) or "$ref" in schema:
        return
    inner: list[tuple[str, Any]] = [
        (f"{name} {property_}", part) for property_, part in schema.get("properties", {}).items()
    ]
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        parts = enumerate(schema.get(keyword, ()))
        inner += [(f"{name} type {number}", part) for number, part in parts]
    inner.append((f"{name} item", schema.get("items")))
    inner.append((f"{name} additional property", schema.get("additionalProperties")))
    for part_name, part in inner:
        if isinstance(part, Mapping) and ("enum" in part or "object" in part.get("type", "")):
            yield _plain(part_name)
        yield from _inner_classes(part_name, part)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
