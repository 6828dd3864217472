"""Turns untrusted names into paths that never leave their folder."""

from pathlib import Path

SEPARATORS = frozenset("/\\\0")


class OutsideFolder(ValueError):
    """A name leads out of its folder, or is not a file name."""


def plain(name: str) -> str:
    """The name, if it is the plain name of a file or folder. Raises OutsideFolder."""
    if name in {"", ".", ".."} or not SEPARATORS.isdisjoint(name):
        raise OutsideFolder(f"{name!r} is not the plain name of a file or folder")
    return name


def inside(folder: Path, *names: str) -> Path:
    """The path below `folder`, one level for each name. Raises OutsideFolder."""
    return folder.joinpath(*map(plain, names))
