"""Traces the imports between the Python files of the functions folder."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

SUFFIX = ".py"


def imported_files(path: PurePosixPath, data: bytes) -> Iterator[PurePosixPath]:
    """The files that an import of this one may run, existing or not.

    Read from the text, so that an import inside a function counts, and so that a file whose
    import fails half-way depends on the helper whose change repairs it.
    """
    yield from _initialisers(path.parent)
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # the load reports the fault
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not 0 < node.level <= len(path.parts):
            continue
        base = path.parents[node.level - 1]
        target = base.joinpath(*(node.module or "").split("."))
        yield from _initialisers(target)
        for module in (target, *(target / alias.name for alias in node.names)):
            yield module.parent / f"{module.name}{SUFFIX}"
            yield module / f"__init__{SUFFIX}"


def _initialisers(folder: PurePosixPath) -> Iterator[PurePosixPath]:
    """The `__init__.py` of the folder and its parents: an import below the folder runs them."""
    for parent in (folder, *folder.parents):
        yield parent / f"__init__{SUFFIX}"
