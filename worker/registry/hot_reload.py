"""Hot reload: which files are imported again and when, and what a broken file keeps."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from slotgrid.backoff import Backoff
from slotgrid.function_files.faults import FileFault
from slotgrid.function_files.snapshot import Snapshot
from worker.bounded_calls import in_thread
from worker.registry.assembly import Assembly, LoadedFile, assemble
from worker.registry.definitions import FileContents
from worker.registry.loader import Loader, ReadFile
from worker.registry.runnable import Runnable

IMPORT_TIMEOUT_S = 10.0
RETRY_IMPORT = Backoff(first_s=60.0, ceiling_s=3600.0)
"""Before the retry of an import that took too long: the machine may only have been busy."""


@dataclass(frozen=True)
class _Tried:
    """The result of the last attempt to load a file."""

    revision: str
    offer: LoadedFile
    timeouts: int = 0
    """Consecutive timeouts of the file's import."""
    again_at: float = 0.0
    """The earliest retry (monotonic) after such a timeout: each try delays all other changes."""


@dataclass(frozen=True)
class _Due:
    """A file that is to be read, and how often its import took too long."""

    path: PurePosixPath
    revision: str
    timeouts: int
    last_good: FileContents | None


_Outcome = FileContents | FileFault | None


class HotReload:
    """Loads a folder's files on each call; a broken file keeps its last good contents.

    A file is imported again only if its text or its helpers changed, its last load failed, or
    that load timed out and its backoff has ended. `loaders` has the loader of each suffix,
    `built_in` the functions that no file defines.
    """

    def __init__(
        self,
        loaders: Mapping[str, Loader],
        built_in: Mapping[str, Runnable],
        *,
        import_timeout_s: float,
        retry_import: Backoff,
    ) -> None:
        self._loaders = loaders
        self._built_in = built_in
        self._import_timeout_s = import_timeout_s
        self._retry_import = retry_import
        self._tried: dict[str, _Tried] = {}

    @property
    def retry_due(self) -> bool:
        """Whether an import that timed out is due for a retry, although no file has changed."""
        return any(look.timeouts and not _needs_no_retry(look) for look in self._tried.values())

    async def load(self, snapshot: Snapshot, in_use: Mapping[str, FileContents]) -> Assembly:
        """Import the files that need it, and merge all. `in_use`: the contents in use, by file."""
        tried = await self._try_files(snapshot, in_use)
        offers = {path: look.offer for path, look in tried.items()}
        assembly = assemble(offers, in_use, self._built_in)
        self._tried = {
            path: _without_last_good(look, path, assembly) for path, look in tried.items()
        }
        return assembly

    async def _try_files(
        self, snapshot: Snapshot, in_use: Mapping[str, FileContents]
    ) -> dict[str, _Tried]:
        """Read changed files. Retry broken ones, as the cause may be outside the folder."""
        tried: dict[str, _Tried] = {}
        due: dict[str, list[_Due]] = {}
        for path in snapshot.function_files():
            before = self._tried.get(str(path))
            revision = snapshot.revision(path)
            same = before is not None and before.revision == revision
            if before is not None and same and _needs_no_retry(before):
                tried[str(path)] = before
                continue
            timeouts = before.timeouts if before is not None and same else 0
            last_good = in_use.get(str(path))
            due.setdefault(path.suffix, []).append(_Due(path, revision, timeouts, last_good))
        for suffix, files in due.items():
            loader = self._loaders[suffix]
            read = loader.reader(snapshot)
            for batch in _batches(files, snapshot, loader.bytes_at_once):
                for one, outcome in zip(batch, await self._read(read, batch), strict=True):
                    tried[str(one.path)] = self._tried_now(one, outcome)
        return tried

    async def _read(self, read: ReadFile, files: Sequence[_Due]) -> list[_Outcome]:
        """What each file defines, or its fault; None for all if they took too long."""
        try:
            return await in_thread(
                lambda: [_contents_or_fault(read, one.path) for one in files],
                timeout_s=self._import_timeout_s,
                name=f"functions-import-{files[0].path}",
            )
        except TimeoutError:
            return [None] * len(files)

    def _tried_now(self, file: _Due, outcome: _Outcome) -> _Tried:
        if isinstance(outcome, FileContents):
            return _Tried(file.revision, LoadedFile(outcome, last_good=file.last_good))
        if outcome is not None:
            return _Tried(file.revision, LoadedFile(None, str(outcome), file.last_good))
        offer = LoadedFile(
            None, f"its import takes longer than {self._import_timeout_s:g} s", file.last_good
        )
        timeouts = file.timeouts + 1
        again_at = time.monotonic() + self._retry_import.full_s(timeouts)
        return _Tried(file.revision, offer, timeouts, again_at)


def _batches(files: Sequence[_Due], snapshot: Snapshot, most: int) -> Iterator[list[_Due]]:
    """The files in groups of at most so many bytes, or of one file."""
    batch: list[_Due] = []
    size = 0
    for file in files:
        file_size = len(snapshot.sources[file.path].data or b"")
        if batch and size + file_size > most:
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file_size
    if batch:
        yield batch


def _contents_or_fault(read: ReadFile, path: PurePosixPath) -> FileContents | FileFault:
    try:
        return _sendable(read(path))
    except FileFault as fault:
        return fault


def _sendable(contents: FileContents) -> FileContents:
    """The contents. Raises FileFault if no link can carry the function's description."""
    try:
        if contents.function is not None:
            _ = contents.function.link_bytes
    except (ValueError, TypeError, RecursionError, NotImplementedError, OverflowError) as cause:
        raise FileFault(f"its description and schemas cannot be sent as JSON: {cause}") from cause
    return contents


def _needs_no_retry(tried: _Tried) -> bool:
    """Whether the file needs no retry before it changes, or before its backoff ends."""
    return tried.offer.contents is not None or time.monotonic() < tried.again_at


def _without_last_good(tried: _Tried, path: str, assembly: Assembly) -> _Tried:
    """Drop a file's last good contents if the present ones are in use."""
    if assembly.good.get(path) is not tried.offer.contents:
        return tried
    if any(broken.path == path for broken in assembly.broken):
        return tried
    return replace(tried, offer=LoadedFile(tried.offer.contents))
