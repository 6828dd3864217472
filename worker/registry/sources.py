"""The functions folder as text: its files, their imports, and the files that a change affects.

Each file is read once into a `Snapshot` and loaded from there, never again from the disk. So the
hashed text is the text that runs, a change during a load cannot mix two states of the folder, and
a `.pyc` with a time stamp of the same second cannot restore old code.
"""

import ast
import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SUFFIX = ".py"
REVISION_LENGTH = 12
GONE = f"cannot be read: {os.strerror(errno.ENOENT)}"


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path under the folder, its bytes, the files that it may import.

    If the file could not be read, `data` is None and `fault` says why.
    """

    path: PurePosixPath
    data: bytes | None
    imports: frozenset[PurePosixPath]
    fault: str = ""

    @classmethod
    def read(cls, folder: Path, path: PurePosixPath, known: "Source | None" = None) -> "Source":
        """Read the file; returns `known` if its bytes are unchanged."""
        try:
            data = (folder / path).read_bytes()
        except OSError as cause:
            return cls(path, None, frozenset(), _unreadable(cause))
        if known is not None and known.data == data:
            return known
        return cls(path, data, frozenset(_imports(path, data)))


@dataclass(frozen=True)
class Snapshot:
    """All Python files of the folder at one moment, by their paths under it."""

    folder: Path
    sources: Mapping[PurePosixPath, Source]
    unreadable: tuple[str, ...] = ()
    """Folders that could not be listed, and why. Files of the previous snapshot in them count as
    unreadable files."""

    @classmethod
    def read(cls, folder: Path, previous: "Snapshot | None" = None) -> "Snapshot":
        """Read the folder; a missing folder counts as empty. Blocks."""
        known = previous.sources if previous else {}
        faults: list[OSError] = []
        read = (Source.read(folder, path, known.get(path)) for path in _walk(folder, faults.append))
        found = {source.path: source for source in read}
        for fault in faults:
            unread = Path(fault.filename)
            for path in known:
                if path not in found and (folder / path).is_relative_to(unread):
                    found[path] = Source(path, None, frozenset(), _unreadable(fault))
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
        """The file and all files of the folder that it may import, directly or indirectly."""
        reached: set[PurePosixPath] = set()
        waiting = {path, *_initialisers(path.parent)}
        while waiting:
            source = self.sources.get(waiting.pop())
            if source is not None and source.path not in reached:
                reached.add(source.path)
                waiting |= source.imports - reached
        return Snapshot(self.folder, {part: self.sources[part] for part in sorted(reached)})

    def revision(self, path: PurePosixPath) -> str:
        """A short hash of the file and of all files of the folder that it may import.

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
    """The Python files; `failed` gets the error of each folder that exists but is unreadable."""

    def note(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            failed(error)

    for parent, folders, files in os.walk(folder, onerror=note):
        folders[:] = [
            name for name in folders if not name.startswith(".") and name != "__pycache__"
        ]
        for name in files:
            if name.endswith(SUFFIX) and not name.startswith("."):
                yield PurePosixPath(Path(parent, name).relative_to(folder).as_posix())


def _imports(path: PurePosixPath, data: bytes) -> Iterator[PurePosixPath]:
    """The files that relative imports anywhere in the text may refer to, existing or not.

    Read from the text, so that an import inside a function counts, and so that a file whose
    import fails half-way depends on the helper whose change repairs it.
    """
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
