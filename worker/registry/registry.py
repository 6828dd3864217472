"""The functions that this worker offers: finds, checks and hot-reloads them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import structlog

from slotgrid.backoff import Backoff
from slotgrid.core.spec import FunctionSpec
from worker.registry.assembly import Assembly, LoadedFile, assemble
from worker.registry.bounded_calls import in_thread
from worker.registry.definitions import (
    BrokenFile,
    FileContents,
    FileFault,
    ServiceDefinition,
    TagDefinition,
)
from worker.registry.folder_watch import watch
from worker.registry.loader import Loader, ReadFile
from worker.registry.runnable import Runnable
from worker.registry.sources import Snapshot

IMPORT_TIMEOUT_S = 10.0
RETRY_IMPORT = Backoff(first_s=60.0, ceiling_s=3600.0)
"""Before the retry of an import that took too long: the machine may only have been busy."""
READ_TIMEOUT_S = 60.0
"""For all files together, so that a hanging network file system does not block reloads forever."""

log = structlog.get_logger()


@dataclass(frozen=True)
class _Tried:
    """The result of the last attempt to load a file."""

    revision: str
    offer: LoadedFile
    timeouts: int = 0
    """Consecutive timeouts of the file's import."""
    again_at: float = 0.0
    """The earliest retry (monotonic) after such a timeout: each try delays all other changes."""


class Registry:
    """The functions, tags and services of a folder. Fulfils `slotgrid.core.spec.Catalog`.

    A file is imported again only if its text or its helpers changed, its last load failed, or
    that load timed out and its backoff has ended. `loaders` has the loader of each suffix.
    """

    def __init__(
        self,
        folder: Path,
        loaders: Mapping[str, Loader],
        *,
        import_timeout_s: float = IMPORT_TIMEOUT_S,
        retry_import: Backoff = RETRY_IMPORT,
    ) -> None:
        self._folder = folder.absolute()
        self._loaders = loaders
        self._references = {suffix: one.references for suffix, one in loaders.items()}
        self._import_timeout_s = import_timeout_s
        self._retry_import = retry_import
        self._snapshot = Snapshot(self._folder, {})
        self._tried: dict[str, _Tried] = {}
        self._assembly = Assembly()
        self._callbacks: list[Callable[[], None]] = []
        self._loading = asyncio.Lock()
        self._version = 0

    @property
    def version(self) -> int:
        """Increases with every change of definitions or broken files."""
        return self._version

    def find(
        self, name: str, group: str | None = None, contract: int | None = None
    ) -> FunctionSpec | None:
        """The function of that name, or None; no group or contract means this worker's."""
        found = self._assembly.functions.get(name)
        if found is None:
            return None
        spec = found.spec
        if group is not None and group != spec.group:
            return None
        return spec if contract is None or contract == spec.contract else None

    def specs(self) -> Sequence[FunctionSpec]:
        """All functions, by name."""
        return [found.spec for found in self._assembly.functions.values()]

    def runnable(self, name: str) -> Runnable | None:
        """The function of that name, ready to run; keep the reference while it runs."""
        return self._assembly.functions.get(name)

    @property
    def broken(self) -> tuple[BrokenFile, ...]:
        """The broken files, by path."""
        return self._assembly.broken

    @property
    def tags_defined(self) -> tuple[TagDefinition, ...]:
        """The tags of all files, by name."""
        return tuple(self._assembly.tags.values())

    @property
    def services_defined(self) -> tuple[ServiceDefinition, ...]:
        """The services of all files, by name."""
        return tuple(self._assembly.services.values())

    def on_change(self, callback: Callable[[], None]) -> None:
        """Register a callback for each load that changed anything."""
        self._callbacks.append(callback)

    async def load(self) -> bool:
        """Load the changes of the folder; returns whether anything changed.

        Raises TimeoutError if reading takes longer than READ_TIMEOUT_S.
        """
        async with self._loading:
            before = self._snapshot
            snapshot = await in_thread(
                lambda: Snapshot.read(self._folder, self._references, before),
                timeout_s=READ_TIMEOUT_S,
                name="functions-read",
                interrupted=False,
            )
            tried = await self._try_files(snapshot)
            assembly = assemble(
                {path: look.offer for path, look in tried.items()}, self._assembly.good
            )
            if snapshot.unreadable and snapshot.unreadable != before.unreadable:
                log.error("functions.unreadable", folders=list(snapshot.unreadable))
            self._snapshot = snapshot
            self._tried = {
                path: _without_last_good(look, path, assembly) for path, look in tried.items()
            }
            changed = self._publish(assembly)
        if changed:
            for callback in self._callbacks:
                callback()
        return changed

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Load on every change of the folder while the block runs."""
        async with watch(
            self._folder, self.load, suffixes=self._loaders, again=self._needs_another_look
        ):
            yield

    def _needs_another_look(self) -> bool:
        """Whether a load may have another result although no file has changed."""
        return not self._snapshot.whole or any(
            look.timeouts and not _needs_no_retry(look) for look in self._tried.values()
        )

    async def _try_files(self, snapshot: Snapshot) -> dict[str, _Tried]:
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
            tried[str(path)] = await self._try_file(readers[path.suffix], path, revision, timeouts)
        return tried

    async def _try_file(
        self, read: ReadFile, path: PurePosixPath, revision: str, timeouts: int
    ) -> _Tried:
        last_good = self._assembly.good.get(str(path))
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

    def _publish(self, assembly: Assembly) -> bool:
        before, self._assembly = self._assembly, assembly
        if _same(before, assembly) and self._version:
            return False
        for broken in assembly.broken:
            if broken not in before.broken:
                log.error("functions.broken", **broken.to_json())
        if self._version == 0:
            log.info(
                "functions.loaded", functions=len(assembly.functions), folder=str(self._folder)
            )
        else:
            log.info("functions.reloaded", **_difference(before, assembly))
        self._version += 1
        return True


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


def _same(one: Assembly, other: Assembly) -> bool:
    # Definitions compare by identity: a new import of a file gives a different definition.
    return (one.functions, one.tags, one.services, one.broken) == (
        other.functions,
        other.tags,
        other.services,
        other.broken,
    )


def _difference(before: Assembly, after: Assembly) -> dict[str, list[str]]:
    old, new = before.functions, after.functions
    return {
        "added": [name for name in new if name not in old],
        "changed": [name for name in new if name in old and new[name] is not old[name]],
        "removed": [name for name in old if name not in new],
    }
