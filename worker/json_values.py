"""Values of an author's code as plain JSON.

Separate from the schemas, which a child process that runs a function does not need.
"""

from typing import Any

import msgspec

from slotgrid.core.event_log import NotJson, encode_json


def plain_json(value: Any) -> Any:
    """`value` after a round trip through JSON: see `json_bytes`."""
    return msgspec.json.decode(json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """`value` as JSON: dataclasses as objects, enums as their values.

    Raises NotJson for a value without a JSON form. A lone surrogate becomes U+FFFD.
    """
    try:
        try:
            return msgspec.json.encode(value)
        except UnicodeEncodeError:
            return encode_json(msgspec.to_builtins(value, str_keys=True))
    except (TypeError, ValueError, OverflowError, RecursionError) as cause:
        raise NotJson(f"not JSON: {cause}") from cause
