"""The Git commit of a folder of functions, read without Git."""

import re
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
FUNCTIONS_COMMIT = "functions"
"""The name of the commit among the versions that a worker tells its balancer."""
READ_MOST = 10_000_000
"""Bytes of `packed-refs`."""


def commit_of(folder: Path) -> str | None:
    """The commit that the folder's repository has checked out; None without one.

    Changes that are not committed do not show: the hash of the contents does.
    """
    try:
        git = _git_folder(folder.resolve())
        return None if git is None else _head(git)
    except (OSError, ValueError):
        return None


def _git_folder(folder: Path) -> Path | None:
    for parent in (folder, *folder.parents):
        found = parent / ".git"
        if found.is_dir():
            return found
        if found.is_file():  # a work tree or a submodule: the file names the folder
            kind, _, path = _text(found).partition(":")
            return parent / path.strip() if kind == "gitdir" else None
    return None


def _head(git: Path) -> str | None:
    head = _text(git / "HEAD")
    if not head.startswith("ref:"):
        return _checked(head)
    ref = head.removeprefix("ref:").strip()
    common = git / _text(git / "commondir") if (git / "commondir").is_file() else git
    for place in (git, common):
        if (place / ref).is_file():
            return _checked(_text(place / ref))
    if not (common / "packed-refs").is_file():
        return None  # nothing is committed yet
    for line in _text(common / "packed-refs").splitlines():
        commit, _, name = line.partition(" ")
        if name == ref:
            return _checked(commit)
    return None


def _checked(text: str) -> str | None:
    return text if _COMMIT.fullmatch(text) else None


def _text(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.read(READ_MOST).strip()
