"""The functions folder as text: what stands in it, what imports what, what a change touches.

Everything is read once into a `Snapshot` and loaded from there, never from the disk again. So
what was hashed is what runs, a file changed in the middle of a load cannot mix two states of the
folder, and no `.pyc` with a time stamp of the same second can bring back old code.
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

    `data` is None, and `fault` says why, when the file could not be read.
    """

    path: PurePosixPath
    data: bytes | None
    imports: frozenset[PurePosixPath]
    fault: str = ""

    @classmethod
    def read(cls, folder: Path, path: PurePosixPath, known: "Source | None" = None) -> "Source":
        """Read the file; what is `known` is kept when its bytes are still the same."""
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
    """Folders whose files are not known, and why. Files that were there before count as files
    that cannot be read."""

    @classmethod
    def read(cls, folder: Path, previous: "Snapshot | None" = None) -> "Snapshot":
        """Read the folder; one that is not there counts as empty. Blocks."""
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
        """Whether all that is there could be read; what is not there needs no second look."""
        unread = {one.fault for one in self.sources.values() if one.data is None}
        return not self.unreadable and unread <= {GONE}

    def function_files(self) -> list[PurePosixPath]:
        """The files that may hold functions: no part of the path begins with `_`."""
        return [path for path in self.sources if not any(p.startswith("_") for p in path.parts)]

    def closure(self, path: PurePosixPath) -> "Snapshot":
        """The file and everything of the folder that it may import, directly or not."""
        reached: set[PurePosixPath] = set()
        waiting = {path, *_initialisers(path.parent)}
        while waiting:
            source = self.sources.get(waiting.pop())
            if source is not None and source.path not in reached:
                reached.add(source.path)
                waiting |= source.imports - reached
        return Snapshot(self.folder, {part: self.sources[part] for part in sorted(reached)})

    def revision(self, path: PurePosixPath) -> str:
        """A short hash of the file and of all that it may import of the folder.

        It changes when they do, and with nothing else: neither with times nor with neighbours.
        """
        digest = hashlib.sha256()
        for part, source in self.closure(path).sources.items():
            digest.update(f"{part}\0{-1 if source.data is None else len(source.data)}\0".encode())
            digest.update(source.data or b"")
        return digest.hexdigest()[:REVISION_LENGTH]


def _unreadable(fault: OSError) -> str:
    return f"cannot be read: {fault.strerror}"


def _walk(folder: Path, failed: Callable[[OSError], None]) -> Iterator[PurePosixPath]:
    """The Python files; `failed` gets the error of each folder that is there and cannot be read."""

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
    """The files that relative imports anywhere in the text can mean, present or not.

    Read from the text, so that an import inside a function counts too, and a file that fails
    half-way through is known to depend on the helper that will mend it.
    """
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # loading it will say what is wrong
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
    """The `__init__.py` of the folder and of those above it: importing below runs them."""
    for parent in (folder, *folder.parents):
        yield parent / f"__init__{SUFFIX}"
