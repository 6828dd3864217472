"""Shortened values for messages."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

TEXT_MOST = 200
ITEMS_MOST = 5
DEPTH_MOST = 3


def preview(value: Any, depth: int = DEPTH_MOST) -> str:
    """The shortened `repr` of the value; its cost does not grow with the value."""
    if isinstance(value, str):
        return repr(value) if len(value) <= TEXT_MOST else f"{value[:TEXT_MOST]!r}…"
    if isinstance(value, Mapping | list | tuple):
        if not depth and value:
            return "{…}" if isinstance(value, Mapping) else "[…]"
        more = ", …" if len(value) > ITEMS_MOST else ""
        if isinstance(value, Mapping):
            pairs = islice(value.items(), ITEMS_MOST)
            inside = ", ".join(f"{preview(k)}: {preview(v, depth - 1)}" for k, v in pairs)
            return f"{{{inside}{more}}}"
        return f"[{', '.join(preview(item, depth - 1) for item in value[:ITEMS_MOST])}{more}]"
    text = repr(value)
    return text if len(text) <= TEXT_MOST else f"{text[:TEXT_MOST]}…"
