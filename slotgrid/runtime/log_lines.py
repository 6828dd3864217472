"""Renders a log line: JSON, without secrets, limited in size."""

from collections.abc import Mapping
from datetime import datetime
from types import NoneType
from typing import Any

import orjson

from slotgrid.runtime.secrets import HIDDEN, SecretValues, is_secret_name

MAX_LINE_BYTES = 64 * 1024
"""A longer line is cut: the ring's limit is in lines, so each line needs a limit."""
MAX_FIELD_CHARS = 2000
# Dataclasses are shown by their `repr`, which omits secrets, not field by field.
DUMP = orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATACLASS
SCALARS = frozenset({str, int, float, bool, datetime, NoneType})


def rendered(line: dict[str, Any], secrets: SecretValues) -> tuple[dict[str, Any], bytes]:
    """The line with its secrets hidden, and the same as JSON; cut if it is too long.

    The JSON of plain values is searched once, which takes 4 µs less than hiding in each field.
    """
    for name in line:
        if is_secret_name(name):
            line[name] = HIDDEN
    text = _dump(line) if SCALARS.issuperset(map(type, line.values())) else None
    if text is None or secrets.occur_in(text):
        line = {
            name: value if name in ("ts", "level") else secrets.hide(value)
            for name, value in line.items()
        }
        text = _dump(line)
    if len(text) > MAX_LINE_BYTES:
        line = _shortened(line)
        text = _dump(line)
    return line, text


def _dump(line: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, option=DUMP)
    except TypeError:
        # Lone surrogates, integers above 64 bits: shown as text, as far as possible.
        return orjson.dumps({name: _clean(value) for name, value in line.items()}, option=DUMP)


def _clean(value: object) -> object:
    if isinstance(value, datetime):
        return value
    return str(value).encode("utf-8", "replace").decode()


def _shortened(line: Mapping[str, Any]) -> dict[str, Any]:
    """The line with its long fields cut, and the mark `cut`."""
    cut: dict[str, Any] = {}
    for name, value in line.items():
        text = str(value)
        # A traceback keeps its end, where the error is; other fields keep their beginning.
        kept = text[-MAX_FIELD_CHARS:] if name == "exception" else text[:MAX_FIELD_CHARS]
        cut[name] = value if len(text) <= MAX_FIELD_CHARS else kept
    return {**cut, "cut": True}
