from typing import Any

from slotgrid.function import Context, function

NODE = {
    "type": "object",
    "title": "Task",
    "properties": {
        "value": {"type": "integer"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
    },
    "required": ["value"],
}
INPUT = {
    "$id": "urn:tree",
    "type": "object",
    "properties": {
        "tree": {"$ref": "#/$defs/Node"},
        "same": {"$ref": "#/properties/tree"},
        "whole": {"$ref": "#"},
    },
    "required": ["tree"],
    "$defs": {"Node": NODE},
}


@function(input=INPUT)
async def tree(context: Context, **given: Any) -> Any:
    """A recursive model, and references to places that are no definitions."""
    return given
