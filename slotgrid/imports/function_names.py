"""Names of functions that are like the names of another system."""

import re

_PART_MOST = 80


def function_name(name: str) -> str:
    """The name of a function that is like a task's name: safe as a path, empty if nothing is left.

    Parts have letters, digits, `-` and `_`. Empty ones, `.` and `..` are left out, and none begins
    with `_`, as such files are no functions.
    """
    parts = [
        re.sub(r"[^\w-]+", "-", part).strip("-").lstrip("_")[:_PART_MOST]
        for part in re.split(r"[/\\]+", name)
        if part.strip(". ")
    ]
    return "/".join(part for part in parts if part)
