"""The functions that this worker offers: finds, checks and hot-reloads them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from slotgrid.backoff import Backoff
from slotgrid.core.spec import FunctionSpec
from slotgrid.function_files.faults import BrokenFile
from slotgrid.function_files.folder_watch import watch
from slotgrid.function_files.snapshot import Snapshot
from worker.bounded_calls import in_thread
from worker.registry.assembly import Assembly
from worker.registry.definitions import ServiceDefinition, TagDefinition
from worker.registry.hot_reload import IMPORT_TIMEOUT_S, RETRY_IMPORT, HotReload
from worker.registry.loader import Loader
from worker.registry.runnable import Runnable

READ_TIMEOUT_S = 60.0
"""For all files together, so that a hanging network file system does not block reloads forever."""

log = structlog.get_logger()


class Registry:
    """The functions, tags and services of a folder. Fulfils `slotgrid.core.spec.Catalog`.

    `loaders` has the loader of each suffix, `built_in` the functions that no file defines.
    """

    def __init__(
        self,
        folder: Path,
        loaders: Mapping[str, Loader],
        built_in: Collection[Runnable] = (),
        *,
        import_timeout_s: float = IMPORT_TIMEOUT_S,
        retry_import: Backoff = RETRY_IMPORT,
    ) -> None:
        self._folder = folder.absolute()
        self._loaders = loaders
        self._references = {suffix: one.references for suffix, one in loaders.items()}
        self._hot_reload = HotReload(
            loaders,
            {one.spec.name: one for one in built_in},
            import_timeout_s=import_timeout_s,
            retry_import=retry_import,
        )
        self._snapshot = Snapshot(self._folder, {})
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

    def fault_of(self, name: str) -> str:
        """Why the file of that function is not usable; empty if there is no such file."""
        for broken in self._assembly.broken:
            if broken.path.rpartition(".")[0] == name:
                return broken.error
        return ""

    def runnable(self, name: str) -> Runnable | None:
        """The function of that name, ready to run; keep the reference while it runs."""
        return self._assembly.functions.get(name)

    @property
    def broken(self) -> tuple[BrokenFile, ...]:
        """The broken files, by path."""
        return self._assembly.broken

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The files with functions that other nodes run, such as flows, by path."""
        good = self._assembly.good
        return tuple(path for path, contents in sorted(good.items()) if contents.is_elsewhere)

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
            assembly = await self._hot_reload.load(snapshot, self._assembly.good)
            if snapshot.unreadable and snapshot.unreadable != before.unreadable:
                log.error("functions.unreadable", folders=list(snapshot.unreadable))
            self._snapshot = snapshot
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
        return not self._snapshot.whole or self._hot_reload.retry_due

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
