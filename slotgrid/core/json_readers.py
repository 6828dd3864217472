"""Readers of JSON values: each returns a parsed value or raises Wrong with all faults."""

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from slotgrid.core.errors import FAULTS_LIMIT, Violation, pointer

NESTING_LIMIT = 100
"""Levels of arrays and objects: orjson writes at most 254, and checks are recursive."""
CONTAINERS = (dict, list)
MOST = sys.float_info.max
PAIRS_MOST = 100
"""Maximum number of headers of a webhook, or of labels of a place."""


class Wrong(ValueError):
    """A field is invalid; the pointers of the faults are relative to the field."""

    def __init__(self, *faults: Violation) -> None:
        super().__init__()
        self.faults = faults

    @classmethod
    def because(cls, message: str) -> "Wrong":
        """An exception with one fault, in the field itself."""
        return cls(Violation("", message))


Reader = Callable[[object], Any]
UNKNOWN_FIELD = "unknown field"
"""The message about a field that is like none of the known ones."""


def read_fields(
    given: dict[str, object], readers: Mapping[str, Reader], *, required: str | None = None
) -> tuple[dict[str, Any], list[Violation]]:
    """The valid members, and the faults of the others, up to about FAULTS_LIMIT."""
    values: dict[str, Any] = {}
    faults: list[Violation] = []
    if required is not None and required not in given:
        faults.append(Violation(pointer([required]), "is required"))
    for name, value in given.items():
        if len(faults) >= FAULTS_LIMIT:
            break
        if name not in readers:
            unknown = f"{UNKNOWN_FIELD}{_nearest(name, readers)}"
            faults.append(Violation(pointer([name]), unknown))
            continue
        try:
            values[name] = readers[name](value)
        except Wrong as wrong:
            at = pointer([name])
            faults += [Violation(at + fault.pointer, fault.message) for fault in wrong.faults]
    return values, faults


def kind_of(value: object) -> str:
    """The name of the value's JSON type, with its article."""
    names = {
        "NoneType": "null", "bool": "a boolean", "int": "an integer", "float": "a number",
        "str": "a string", "list": "an array", "dict": "an object",
    }  # fmt: skip
    return names.get(type(value).__name__, type(value).__name__)


def _nearest(name: str, known: Iterable[str]) -> str:
    # The comparison's cost grows with the length, and no typing error has megabytes.
    near = difflib.get_close_matches(name, known, n=1) if len(name) <= 64 else []
    return f'; did you mean "{near[0]}"?' if near else ""


def read_text(value: object) -> str:
    """A string that is not empty."""
    text = read_string(value)
    if not text:
        raise Wrong.because("must not be empty")
    return text


def read_string(value: object) -> str:
    """A string, which may be empty."""
    if not isinstance(value, str):
        raise Wrong.because(f"expected a string, got {kind_of(value)}")
    return value


def read_object(value: object) -> dict[str, Any]:
    """An object that is nested at most NESTING_LIMIT levels deep."""
    if not isinstance(value, dict):
        raise Wrong.because(f"expected an object, got {kind_of(value)}")
    level: list[Any] = [value]
    for _ in range(NESTING_LIMIT):
        level = [
            part
            for above in level
            for part in (above.values() if isinstance(above, dict) else above)
            if isinstance(part, CONTAINERS)
        ]
        if not level:
            return value
    raise Wrong.because(f"is nested deeper than {NESTING_LIMIT} levels")


def read_whole(value: object) -> int:
    """An integer."""
    # bool is an int in Python, but JSON's true is not a number.
    if isinstance(value, bool) or not isinstance(value, int):
        raise Wrong.because(f"expected an integer, got {kind_of(value)}")
    return value


def read_number(value: object) -> float:
    """A number of seconds, neither infinite nor NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MOST:
        raise Wrong.because(f"expected a number of seconds, got {kind_of(value)}")
    return float(value)


def read_members(
    value: object, readers: Mapping[str, Reader], *, required: str | None = None
) -> dict[str, Any]:
    """An object with only the members that `readers` lists."""
    values, faults = read_fields(read_object(value), readers, required=required)
    if faults:
        raise Wrong(*faults)
    return values


def read_pairs(value: object) -> tuple[tuple[str, str], ...]:
    """An object of strings, as pairs."""
    members = read_object(value)
    if len(members) > PAIRS_MOST:
        raise Wrong.because(f"expected at most {PAIRS_MOST} members, got {len(members)}")
    return tuple(read_members(members, dict.fromkeys(members, read_string)).items())
