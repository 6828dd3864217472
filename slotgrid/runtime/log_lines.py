"""Renders a log line: JSON, without secrets, limited in size."""

import sys
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from traceback import format_exception
from types import NoneType
from typing import Any

import orjson

from slotgrid.runtime.secrets import HIDDEN, SecretValues, is_secret_name

# A longer line is cut: the ring's limit is in lines, so each line needs a limit.
MAX_LINE_BYTES = 64 * 1024
MAX_FIELD_CHARS = 2000
DUMP = (
    orjson.OPT_APPEND_NEWLINE
    | orjson.OPT_UTC_Z
    # Dataclasses are shown by their `repr`, which omits secrets, not field by field.
    | orjson.OPT_PASSTHROUGH_DATACLASS
)
SCALARS = frozenset({str, int, float, bool, datetime, NoneType})


def without_secrets(line: dict[str, Any], secrets: SecretValues) -> tuple[dict[str, Any], bytes]:
    """The line with its secrets hidden, and the same as JSON."""
    for name in _secret_names(tuple(line)):
        line[name] = HIDDEN
    if SCALARS.issuperset(map(type, line.values())):
        rendered = dump(line)
        # Searching the rendered line once is several times cheaper than walking its fields.
        if not secrets.occur_in(rendered):
            return line, rendered
    hidden = {
        name: value if name in ("ts", "level") else secrets.hide(value)
        for name, value in line.items()
    }
    return hidden, dump(hidden)


@lru_cache(maxsize=1024)
def _secret_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names whose values are hidden. Cached: events have few shapes, and many lines each."""
    return tuple(name for name in names if is_secret_name(name))


def dump(line: Mapping[str, Any]) -> bytes:
    """The line as JSON with a line break, for values of any type."""
    try:
        # A copy, as orjson's own bytes hold their 4 KiB buffer, and the ring keeps the line.
        return memoryview(orjson.dumps(line, option=DUMP)).tobytes()
    except TypeError:
        # Lone surrogates, integers above 64 bits: shown as text, as far as possible.
        return orjson.dumps({name: _clean(value) for name, value in line.items()}, option=DUMP)


def _clean(value: object) -> object:
    if isinstance(value, datetime):
        return value
    return str(value).encode("utf-8", "replace").decode()


def shortened(line: Mapping[str, Any]) -> dict[str, Any]:
    """The line with its long fields cut, and the mark `cut`."""
    cut: dict[str, Any] = {}
    for name, value in line.items():
        text = str(value)
        # A traceback keeps its end, where the error is; other fields keep their beginning.
        kept = text[-MAX_FIELD_CHARS:] if name == "exception" else text[:MAX_FIELD_CHARS]
        cut[name] = value if len(text) <= MAX_FIELD_CHARS else kept
    return {**cut, "cut": True}


def traceback_of(exc_info: object) -> str:
    """The traceback of an `exc_info` of standard logging."""
    if isinstance(exc_info, BaseException):
        error: BaseException | None = exc_info
    elif isinstance(exc_info, tuple):
        error = exc_info[1]
    else:
        error = sys.exc_info()[1]
    return "" if error is None else "".join(format_exception(error)).rstrip()
