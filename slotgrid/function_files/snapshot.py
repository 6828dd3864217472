"""The functions folder as text: its files, and which of them use which.

Each file is read once into a `Snapshot` and loaded from there, never again from the disk. So the
hashed text is the text that runs, a change during a load cannot mix two states of the folder, and
a `.pyc` with a time stamp of the same second cannot restore old code.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from slotgrid.runtime.regular_file import read_regular_file

REVISION_LENGTH = 12
GONE = f"cannot be read: {os.strerror(errno.ENOENT)}"

References = Callable[[PurePosixPath, bytes], Iterable[PurePosixPath]]
"""Finds the files whose text a file may use, from the file's path and bytes."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file: its path under the folder, its bytes, the files that it may use.

    If the file could not be read, `data` is None and `fault` says why.
    """

    path: PurePosixPath
    data: bytes | None
    references: frozenset[PurePosixPath]
    fault: str = ""

    @classmethod
    def read(
        cls,
        folder: Path,
        path: PurePosixPath,
        references: References,
        known: "SourceFile | None" = None,
    ) -> "SourceFile":
        """Read the file; returns `known` if its bytes are unchanged."""
        try:
            data = read_regular_file(folder / path)
        except OSError as cause:
            return cls(path, None, frozenset(), _unreadable(cause))
        if known is not None and known.data == data:
            return known
        return cls(path, data, frozenset(references(path, data)))


@dataclass(frozen=True)
class Snapshot:
    """The files of the folder that have a loader, at one moment, by their paths under it."""

    folder: Path
    sources: Mapping[PurePosixPath, SourceFile]
    unreadable: tuple[str, ...] = ()
    """Folders that could not be listed, and why. Files of the previous snapshot in them count as
    unreadable files."""

    @classmethod
    def read(
        cls,
        folder: Path,
        references: Mapping[str, References],
        previous: "Snapshot | None" = None,
    ) -> "Snapshot":
        """Read the folder's files with these suffixes. Blocks.

        A missing folder counts as empty.
        """
        known = previous.sources if previous else {}
        faults: list[OSError] = []
        found = {
            path: SourceFile.read(folder, path, references[path.suffix], known.get(path))
            for path in _walk(folder, faults.append)
            if path.suffix in references
        }
        for fault in faults:
            unread = Path(fault.filename)
            for path in known:
                if path not in found and (folder / path).is_relative_to(unread):
                    found[path] = SourceFile(path, None, frozenset(), _unreadable(fault))
        return cls(
            folder,
            dict(sorted(found.items())),
            tuple(f"{fault.filename}: {_unreadable(fault)}" for fault in faults),
        )

    @property
    def whole(self) -> bool:
        """Whether everything that exists could be read; missing files need no retry."""
        unread = {one.fault for one in self.sources.values() if one.data is None}
        return not self.unreadable and unread <= {GONE}

    def function_files(self) -> list[PurePosixPath]:
        """The files that may hold functions: no part of the path begins with `_`."""
        return [path for path in self.sources if not any(p.startswith("_") for p in path.parts)]

    def closure(self, path: PurePosixPath) -> "Snapshot":
        """The file and all files of the folder that it may use, directly or indirectly."""
        reached: set[PurePosixPath] = set()
        waiting = {path}
        while waiting:
            source = self.sources.get(waiting.pop())
            if source is not None and source.path not in reached:
                reached.add(source.path)
                waiting |= source.references - reached
        return Snapshot(self.folder, {part: self.sources[part] for part in sorted(reached)})

    def revision(self, path: PurePosixPath) -> str:
        """A short hash of the file and of all files of the folder that it may use.

        It changes only with their paths and text, not with times or other files.
        """
        digest = hashlib.sha256()
        for part, source in self.closure(path).sources.items():
            digest.update(f"{part}\0{-1 if source.data is None else len(source.data)}\0".encode())
            digest.update(source.data or b"")
        return digest.hexdigest()[:REVISION_LENGTH]


def _unreadable(fault: OSError) -> str:
    return f"cannot be read: {fault.strerror}"


def _walk(folder: Path, failed: Callable[[OSError], None]) -> Iterator[PurePosixPath]:
    """All visible files; `failed` gets the error of each folder that exists but is unreadable."""

    def note(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            failed(error)

    for parent, folders, files in os.walk(folder, onerror=note):
        folders[:] = [
            name for name in folders if not name.startswith(".") and name != "__pycache__"
        ]
        for name in files:
            if not name.startswith("."):
                yield PurePosixPath(Path(parent, name).relative_to(folder).as_posix())
