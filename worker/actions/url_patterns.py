"""Patterns of addresses, as Chromium's interception reads them and as we match them."""

import fnmatch
import re
from typing import Annotated

from slotgrid.function import Meta

UrlPattern = Annotated[
    str,
    Meta(
        pattern=r"^[^\\\s]+$",
        max_length=2000,
        description="`*` is any text, `?` any character; without a `*`, any address that contains "
        "it",
        examples=["*://*.example.org/*"],
    ),
]


def whole(pattern: str) -> str:
    """The pattern for a whole address."""
    return pattern if "*" in pattern else f"*{pattern}*"


def matcher(pattern: str) -> "re.Pattern[str]":
    """An expression that matches the same addresses; linear in their length."""
    return re.compile(fnmatch.translate(whole(pattern).replace("[", "[[]")))
