"""Building blocks of the schemas."""

from collections.abc import Collection, Mapping
from typing import Any

from slotgrid.core.schema import JsonSchema

TEXT: JsonSchema = {"type": "string"}
NAME: JsonSchema = {"type": "string", "minLength": 1}
SEARCHED: JsonSchema = {
    "type": "string",
    "pattern": "^[^\\u0000]+$",
    "description": "text of at least one character, without NUL",
}
"""Text that is compared with columns of the database: PostgreSQL accepts no NUL."""
WHOLE: JsonSchema = {"type": "integer", "minimum": 0}
FLAG: JsonSchema = {"type": "boolean"}
ANYTHING: JsonSchema = {}
TASK_ID: JsonSchema = {
    "type": "string",
    "format": "uuid",
    "examples": ["0198c0de-7a3b-7c11-9d5e-2f6a1b0c4d3e"],
}
MOMENT: JsonSchema = {
    "type": "string",
    "format": "date-time",
    "examples": ["2030-01-31T08:00:00.000Z"],
}
MILLISECONDS: JsonSchema = {"type": "number", "minimum": 0, "examples": [12.5]}


def ref(name: str) -> JsonSchema:
    """A reference to a component of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(
    description: str,
    members: Mapping[str, JsonSchema],
    *,
    optional: Collection[str] = (),
    **more: Any,
) -> JsonSchema:
    """An object with these members, each required unless `optional` names it.

    Additional members are allowed, for later versions: callers ignore unknown members.
    """
    required = [name for name in members if name not in optional]
    described: dict[str, Any] = {"type": "object", "properties": dict(members)}
    if description:
        described["description"] = description
    if required:
        described["required"] = required
    return described | more


def doc(schema: JsonSchema, description: str) -> JsonSchema:
    """The schema with a description, which draft 2020-12 allows beside a `$ref` too."""
    return {**schema, "description": description}


def or_null(schema: JsonSchema) -> JsonSchema:
    """A schema that accepts null as well."""
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: JsonSchema) -> JsonSchema:
    """An array of such values."""
    return {"type": "array", "items": schema}


def page_of(name: str, schema: JsonSchema) -> JsonSchema:
    """A page of a list under `name`, and the total number of items."""
    return record(
        "", {name: list_of(schema), "total": doc(WHOLE, "The number of all items, on any page")}
    )
