"""The JSON Schema of each message, and the part of `docs/protocol.md` that lists them.

`python -m slotgrid.wire.schemas` prints that part; a test compares it with the page.
"""

import inspect
import json
import sys
from typing import Any, get_args

import msgspec

from slotgrid.wire.messages import (
    Credit,
    DataHeader,
    FromBalancer,
    FromWorker,
    Heartbeat,
    PartHeader,
)

Struct = type[msgspec.Struct]

BOTH: tuple[Struct, ...] = (Heartbeat, Credit)
BINARY: tuple[Struct, ...] = (PartHeader, DataHeader)
PARTS_HEADING = "Parts of messages"


def sections() -> dict[str, tuple[Struct, ...]]:
    """The messages by sender."""
    return {
        "From the worker": _but_both(get_args(FromWorker)),
        "From the balancer": _but_both(get_args(FromBalancer)),
        "From both": BOTH,
        "Headers of binary frames": BINARY,
    }


def schema(message: Struct) -> dict[str, Any]:
    """The self-contained JSON Schema (2020-12) of a message."""
    (root,), parts = msgspec.json.schema_components([message])
    name = root["$ref"].rpartition("/")[2]
    own = _bare(parts.pop(name), "description")
    return own | ({"$defs": {key: _bare(part) for key, part in parts.items()}} if parts else {})


def chapter() -> str:
    """The part of the page: each message with its meaning and its schema."""
    shared: dict[str, Any] = {}
    names = {message.__name__ for messages in sections().values() for message in messages}
    lines: list[str] = []
    for heading, messages in sections().items():
        lines.append(f"### {heading}\n")
        for message in messages:
            whole = schema(message)
            parts = whole.pop("$defs", {})
            shared |= {name: part for name, part in parts.items() if name not in names}
            lines.append(f"#### `{message.__struct_config__.tag}`\n")
            lines.append(f"{inspect.getdoc(message)}\n")
            lines.append(f"```json\n{_laid_out(whole)}\n```\n")
    lines.append(f"### {PARTS_HEADING}\n")
    lines.append("Messages refer to these, and `hello` to `report`, by `#/$defs/`.\n")
    lines.append(f"```json\n{_laid_out(dict(sorted(shared.items())))}\n```\n")
    return "\n".join(lines)


def _but_both(messages: tuple[Struct, ...]) -> tuple[Struct, ...]:
    return tuple(message for message in messages if message not in BOTH)


def _bare(part: dict[str, Any], *without: str) -> dict[str, Any]:
    """The schema without `title`, and without members that the page shows as prose."""
    return {key: value for key, value in part.items() if key not in {"title", *without}}


def _laid_out(value: dict[str, Any], depth: int = 0) -> str:
    """JSON with one property on each line."""
    indent = "  " * depth
    members = []
    for name, member in value.items():
        opens = isinstance(member, dict) and (name == "properties" or "properties" in member)
        shown = _laid_out(member, depth + 1) if opens else json.dumps(member)
        members.append(f"{indent}  {json.dumps(name)}: {shown}")
    return "{\n" + ",\n".join(members) + f"\n{indent}}}"


if __name__ == "__main__":
    sys.stdout.write(chapter())
