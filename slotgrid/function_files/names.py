"""The name of a function by its file."""

import re
from pathlib import PurePosixPath

from slotgrid.function_files.faults import FileFault

_PART = re.compile(r"[\w-]+")


def function_name(path: PurePosixPath) -> str:
    """The name of the function in a file: its path without the suffix. Raises FileFault."""
    parts = path.with_suffix("").parts
    for part in parts:
        if not _PART.fullmatch(part):
            raise FileFault(f"`{part}` cannot be in a function's name: only letters, digits, - _")
    return "/".join(parts)
