"""Texts with a limit in bytes."""

from typing import Annotated

from slotgrid.function import Meta

MaxBytes = Annotated[
    int, Meta(ge=100, le=10_485_760, description="Bytes of it, cut at the end of a line")
]
Truncated = Annotated[bool, Meta(description="Whether it was cut")]


def cut_lines(text: str, max_bytes: int) -> tuple[str, int]:
    """As many whole lines of the text as fit, and the bytes of all of it.

    A first line that is longer than `max_bytes` is cut itself.
    """
    encoded = text.encode("utf-8", errors="replace")
    if len(encoded) <= max_bytes:
        return text, len(encoded)
    head = encoded[:max_bytes]
    lines, _, _ = head.rpartition(b"\n")
    return (lines or head).decode("utf-8", errors="ignore"), len(encoded)
