"""The one way from a name that somebody else chose to a path: it never leaves its folder."""

from pathlib import Path

SEPARATORS = frozenset("/\\\0")


class OutsideFolder(ValueError):
    """A name would lead out of its folder, or is no name of a file at all."""


def plain(name: str) -> str:
    """The name, if it is that of one file or folder. Raises OutsideFolder."""
    if name in {"", ".", ".."} or not SEPARATORS.isdisjoint(name):
        raise OutsideFolder(f"{name!r} is not the plain name of a file or folder")
    return name


def inside(folder: Path, *names: str) -> Path:
    """The path below `folder` that the names lead to, each one level. Raises OutsideFolder."""
    return folder.joinpath(*map(plain, names))
