"""Hot reload: which files are imported again and when, and what a broken file keeps."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from slotgrid.backoff import Backoff
from worker.bounded_calls import in_thread
from worker.registry.assembly import Assembly, LoadedFile, assemble
from worker.registry.definitions import FileContents, FileFault
from worker.registry.loader import Loader, ReadFile
from worker.registry.runnable import Runnable
from worker.registry.sources import Snapshot

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
        readers: dict[str, ReadFile] = {}
        for path in snapshot.function_files():
            before = self._tried.get(str(path))
            revision = snapshot.revision(path)
            same = before is not None and before.revision == revision
            if before is not None and same and _needs_no_retry(before):
                tried[str(path)] = before
                continue
            if path.suffix not in readers:
                readers[path.suffix] = self._loaders[path.suffix].reader(snapshot)
            timeouts = before.timeouts if before is not None and same else 0
            tried[str(path)] = await self._try_file(
                readers[path.suffix], path, revision, timeouts, in_use.get(str(path))
            )
        return tried

    async def _try_file(
        self,
        read: ReadFile,
        path: PurePosixPath,
        revision: str,
        timeouts: int,
        last_good: FileContents | None,
    ) -> _Tried:
        try:
            contents: FileContents = await in_thread(
                lambda: _sendable(read(path)),
                timeout_s=self._import_timeout_s,
                name=f"functions-import-{path}",
            )
        except FileFault as fault:
            return _Tried(revision, LoadedFile(None, str(fault), last_good))
        except TimeoutError:
            error = f"its import takes longer than {self._import_timeout_s:g} s"
            timeouts += 1
            again_at = time.monotonic() + self._retry_import.full_s(timeouts)
            return _Tried(revision, LoadedFile(None, error, last_good), timeouts, again_at)
        return _Tried(revision, LoadedFile(contents, last_good=last_good))


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
