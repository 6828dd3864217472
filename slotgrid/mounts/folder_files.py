"""The files of one mounted folder: the list of them, and one of them opened. Blocking.

A path below the folder can name a file only: no way leads out of the folder, neither by its text
nor by symbolic links, and hidden files, devices and pipes are left out.
"""

import heapq
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO

from slotgrid.mounts.mounts_file import Mount

FILES_MOST = 1_000_000
"""Names that one list looks at."""
SORTED_AT_ONCE = 5_000
"""Names sorted in one call: other threads wait for its end."""
_TAKEN_APART = frozenset("/\\\0")


class NoSuchFile(Exception):
    """The folder has no such file, or none that is shown."""


class FileRefused(Exception):
    """The path leads to something that is not served; the text is the reason."""


class FolderMissing(Exception):
    """The folder itself is not there or not readable; the text is the reason."""


class TooManyFiles(Exception):
    """The folder has more than FILES_MOST files."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its path below the folder as the file system has it, bytes, and seconds since 1970.

    A byte of a name that is not UTF-8 is a surrogate.
    """

    path: str
    size: int
    modified_at: float


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the files, by name, and the number of all of them."""

    total: int
    entries: Sequence[Entry]


def list_files(mount: Mount, *, limit: int, offset: int) -> Listing:
    """A page of the folder's files. Raises FolderMissing or TooManyFiles."""
    root = _root(mount)
    runs: list[list[str]] = [[]]
    total = 0
    for path in _paths(root, recursive=mount.recursive):
        total += 1
        if total > FILES_MOST:
            raise TooManyFiles
        if len(runs[-1]) == SORTED_AT_ONCE:
            runs[-1].sort()
            runs.append([])
        runs[-1].append(path)
    runs[-1].sort()
    entries: list[Entry] = []
    for path in islice(_politely(heapq.merge(*runs)), offset, offset + limit):
        with suppress(OSError):  # removed meanwhile
            status = (root / path).stat()
            entries.append(Entry(path, status.st_size, status.st_mtime))
    return Listing(total, entries)


def open_file(mount: Mount, names: Sequence[str]) -> BinaryIO:
    """Open a file below the folder for reading; `names` are the parts of its path.

    Raises NoSuchFile, FileRefused or FolderMissing.
    """
    for name in names:
        if name in {".", ".."} or not _TAKEN_APART.isdisjoint(name):
            raise FileRefused("the path would leave the folder")
    if not names or any(map(_is_hidden, names)) or (len(names) > 1 and not mount.recursive):
        raise NoSuchFile
    root = _root(mount)
    try:
        real = _real_path(root, root.joinpath(*names))
        _check_kind(real.lstat().st_mode)  # before it is opened: that may wake a device
        # Neither a link that takes the place of the file now, nor a pipe, is followed.
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise FileRefused("the node may not read this file") from None
    except (OSError, ValueError, RuntimeError):
        # Missing, a name that the file system does not take, links that form a circle, a socket.
        raise NoSuchFile from None
    try:
        _check_opened(root, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb", buffering=0)


def is_available(mount: Mount) -> bool:
    """Whether the folder can be listed now."""
    try:
        _root(mount)
    except FolderMissing:
        return False
    return True


def _root(mount: Mount) -> Path:
    """The real path of the folder. Raises FolderMissing."""
    try:
        root = mount.dir.resolve(strict=True)
        os.scandir(root).close()
    except (OSError, RuntimeError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else str(cause)
        raise FolderMissing(reason or type(cause).__name__) from cause
    return root


def _check_opened(root: Path, descriptor: int) -> None:
    """Raises NoSuchFile or FileRefused unless this is a regular file below the folder.

    The kernel is asked where the opened file is: a folder on its path may have become a link
    after the path was resolved.
    """
    _check_kind(os.fstat(descriptor).st_mode)
    if not Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(root):
        raise FileRefused("a link leads out of the folder")


def _check_kind(mode: int) -> None:
    if S_ISDIR(mode):
        raise NoSuchFile
    if not S_ISREG(mode):
        raise FileRefused("this is no regular file")


def _real_path(root: Path, path: Path) -> Path:
    """The path without links. Raises FileRefused if it leads out, NoSuchFile if it is hidden."""
    real = path.resolve(strict=True)
    if not real.is_relative_to(root):
        raise FileRefused("a link leads out of the folder")
    if any(map(_is_hidden, real.relative_to(root).parts)):
        raise NoSuchFile
    return real


def _paths(root: Path, *, recursive: bool) -> Iterator[str]:
    """The paths below the folder that `open_file` accepts, in no order.

    Links to folders are not followed: they could form a circle.
    """
    folders = [""]
    while folders:
        below = folders.pop()
        try:
            entries = os.scandir(root / below)
        except OSError:
            continue  # a subfolder that is not readable, or was removed
        with entries:
            for entry in entries:
                if _is_hidden(entry.name) or "\\" in entry.name:
                    continue
                path = f"{below}{entry.name}"
                with suppress(OSError):
                    if entry.is_file(follow_symlinks=False):
                        yield path
                    elif recursive and entry.is_dir(follow_symlinks=False):
                        folders.append(f"{path}/")
                    elif entry.is_symlink() and _leads_to_a_file(root, Path(entry.path)):
                        yield path


def _leads_to_a_file(root: Path, link: Path) -> bool:
    try:
        return _real_path(root, link).is_file()
    except (OSError, RuntimeError, FileRefused, NoSuchFile):
        return False


def _is_hidden(name: str) -> bool:
    return name == "" or name.startswith(".")


def _politely(paths: Iterator[str]) -> Iterator[str]:
    """The paths; other threads, such as the event loop's, run in between."""
    for number, path in enumerate(paths):
        if number % 500 == 499:
            time.sleep(0)
        yield path
