"""Exceptions as text; tracebacks with the frames of the function's author, without ours."""

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import PurePath
from traceback import StackSummary, TracebackException

LIMIT_CHARS = 64 * 1024
"""Limit of one traceback: an exception's message may be a whole page."""

_DRIVER_FAULT = re.compile(r"\bE[A-Z]{3,}: [^'\n]+, \w+ '/[^\n]*")
"""How Node.js words a fault of the file system: `ENOENT: no such file or directory, open '/a'`."""
_QUOTED_PATH = re.compile(r"'/(?:[^/']+/)*([^/']+)'")

# Found, not imported: the child process of a plain function does not need Playwright.
_OURS = tuple(
    f"{folder}{os.sep}"
    for name in ("worker", "slotgrid", "playwright", "asyncio")
    if (package := find_spec(name)) is not None
    for folder in package.submodule_search_locations or ()
)


def format_traceback(error: BaseException) -> str:
    """The traceback of `error` and its causes, without the frames of worker and libraries."""
    format_traceback = TracebackException.from_exception(error)
    for each in _with_causes(format_traceback):
        frames = [frame for frame in each.stack if not frame.filename.startswith(_OURS)]
        each.stack = StackSummary.from_list(frames)
    text = "".join(format_traceback.format())
    half = LIMIT_CHARS // 2
    return text if len(text) <= LIMIT_CHARS else f"{text[:half]}\n…\n{text[-half:]}"


def text_of(error: BaseException) -> str:
    """The exception's text for a caller, also if the `__str__` of an author's class raises.

    Of the paths that an OSError or Playwright's driver names, only the last part is left: the
    folders are the node's own business. The traceback in the task's log has them.
    """
    try:
        text = str(error)
    except Exception as fault:
        return f"<{type(fault).__name__} in __str__>"
    if isinstance(error, OSError):
        for path in (error.filename, error.filename2):
            if isinstance(path, str) and path.startswith("/"):
                text = text.replace(repr(path), repr(PurePath(path).name))
    return _DRIVER_FAULT.sub(lambda found: _QUOTED_PATH.sub(r"'\1'", found[0]), text)


def _with_causes(error: TracebackException) -> Iterator[TracebackException]:
    waiting = [error]
    while waiting:
        error = waiting.pop()
        yield error
        waiting += [cause for cause in (error.__cause__, error.__context__) if cause is not None]
        waiting += error.exceptions or []
