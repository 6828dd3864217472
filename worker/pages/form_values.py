"""What fields can be given, and how a refusal is worded."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from slotgrid.function import Meta


# A struct, as a dataclass would ignore an unknown name.
class Upload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file for a file field; `content` is base64 in JSON."""

    filename: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^/\\]+$")]
    content: bytes
    content_type: str = "application/octet-stream"


FieldValue = str | int | float | bool | Upload | list[str | Upload]
"""Text, a number, true or false for a box, one or several choices, one or several files."""


class ValueRefused(ValueError):
    """A field does not take the value as given; the message says what it takes."""


def text_of(value: str | float) -> str:
    """A number as a form shows it: 3.0 is `3`."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def named(choices: Iterable[str], *, at_most: int = 30) -> str:
    """Choices for an error message."""
    shown = list(dict.fromkeys(choices))
    more = f" and {len(shown) - at_most} more" if len(shown) > at_most else ""
    return ", ".join(repr(choice[:100]) for choice in shown[:at_most]) + more
