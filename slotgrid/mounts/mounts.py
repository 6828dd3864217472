"""The static mounts of a node: the last good `mounts.yaml`, and the state of its folders."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import structlog

from slotgrid.mounts.folder_files import (
    FolderMissing,
    Listing,
    is_available,
    list_files,
    open_file,
)
from slotgrid.mounts.mounts_file import Mount, parse_mounts
from slotgrid.runtime.background import background
from slotgrid.runtime.last_good_file import LastGoodFile

log = structlog.get_logger()

T = TypeVar("T")

LOOK_EVERY_S = 0.5
"""Between two looks at the file, as for `workers.json`: see `balancer.fleet.inventory`."""
CHECK_EVERY_S = 5.0
"""Between two checks whether the folders are there."""
THREADS = 4
"""Threads for the folders, and no others: a network folder that hangs blocks these only."""
GIVE_UP_S = 10.0
"""Seconds that a request waits for a folder."""


class Mounts:
    """The last good list of one file; `fault` describes the fault of the current file.

    A missing file is an empty list. `version` changes with the list.
    """

    def __init__(self, path: Path, *, variables: Mapping[str, str], data_dir: Path) -> None:
        parse = partial(parse_mounts, variables=variables, data_dir=data_dir)
        self._file = LastGoodFile[tuple[Mount, ...]](path, parse, empty=(), kind="mounts")
        self._threads: ThreadPoolExecutor | None = None
        self._changed = asyncio.Event()
        self.version = 0
        self.unavailable: frozenset[str] = frozenset()
        """Prefixes whose folders were missing or did not answer at the last check."""

    def at(self, path: str) -> Mount | None:
        """The mount that this path belongs to."""
        for mount in self.entries:
            if path == mount.prefix or path.startswith(f"{mount.prefix}/"):
                return mount
        return None

    def health(self) -> dict[str, Any]:
        """The mounts in `/health`."""
        return {
            "prefixes": [mount.prefix for mount in self.entries],
            "unavailable": sorted(self.unavailable),
            "file_fault": self.fault,
        }

    async def files(self, mount: Mount, *, limit: int, offset: int) -> Listing:
        """A page of the mount's files.

        Raises `folder_files.FolderMissing`, also if the folder does not answer, or TooManyFiles.
        """
        return await self._in_thread(partial(list_files, mount, limit=limit, offset=offset))

    async def open(self, mount: Mount, names: Sequence[str]) -> BinaryIO:
        """Open a file of the mount. Raises the errors of `folder_files.open_file`."""
        return await self._in_thread(partial(open_file, mount, names), late=_close)

    @property
    def entries(self) -> tuple[Mount, ...]:
        """The mounts of the file."""
        return self._file.value or ()

    @property
    def fault(self) -> str | None:
        """Why the file is not in use as it is now; None if it is."""
        return self._file.fault

    def look(self) -> bool:
        """Read the file if it has changed; returns whether the list has changed."""
        before = self.entries
        self._file.look()
        if self.entries == before:
            return False
        self.version += 1
        log.info("mounts.read", prefixes=[mount.prefix for mount in self.entries])
        return True

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follow the file and its folders while the block runs."""
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mounts")
        try:
            self.look()
            async with (
                background(self._watch, name="mounts"),
                background(self._check, name="mounted folders"),
            ):
                yield
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self) -> None:
        """Find out which folders are missing."""
        missing = set()
        for mount in self.entries:
            try:
                if not await self._in_thread(partial(is_available, mount)):
                    missing.add(mount.prefix)
            except FolderMissing:
                missing.add(mount.prefix)
        for prefix in missing - self.unavailable:
            log.warning("mounts.folder_unavailable", prefix=prefix)
        for prefix in self.unavailable - missing:
            log.info("mounts.folder_available_again", prefix=prefix)
        self.unavailable = frozenset(missing)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.look():
                self._changed.set()

    async def _check(self) -> None:
        while True:
            await self.check()
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_EVERY_S):
                    await self._changed.wait()
            self._changed.clear()

    async def _in_thread(
        self, function: Callable[[], T], late: Callable[[T], None] = lambda _: None
    ) -> T:
        """Call in a thread of the folders; `late` gets a result that comes after the time limit."""
        assert self._threads is not None
        job = self._threads.submit(function)
        taken = False
        scope = asyncio.timeout(GIVE_UP_S)
        try:
            async with scope:
                result = await asyncio.wrap_future(job)
                taken = True
                return result
        except TimeoutError:
            if not scope.expired():
                raise
            raise FolderMissing(f"it did not answer within {GIVE_UP_S:g} s") from None
        finally:
            if not taken:
                job.add_done_callback(partial(_drop, late))


def _drop(late: Callable[[T], None], job: "Future[T]") -> None:
    if not job.cancelled() and job.exception() is None:
        late(job.result())


def _close(file: BinaryIO) -> None:
    file.close()
