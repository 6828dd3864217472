"""What the registry asks of a loader: the part that loads the files of one suffix."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from slotgrid.core.slots import PERSISTENT
from slotgrid.function_files.faults import FileFault
from slotgrid.function_files.snapshot import Snapshot
from worker.registry.definitions import FileContents
from worker.secrets.declared_secrets import DeclaredSecrets, FunctionSecrets

ReadFile = Callable[[PurePosixPath], FileContents]
"""Returns the definitions of one file. Raises FileFault. Runs in a thread, with a time limit."""


@dataclass(frozen=True, kw_only=True)
class LoaderSettings:
    """The settings of one worker that its functions depend on.

    `pools`: what each gives its tasks.
    """

    group: str
    contract: int
    default_timeout_s: float
    pools: Mapping[str, str]
    secrets: DeclaredSecrets

    def isolation(
        self, pool: str, stated: str | None, context_options: Collection[str] = ()
    ) -> str:
        """What the tasks of a function get in its pool. Raises FileFault.

        The pool must exist, and give what the function states, if it does; options of its own
        need a new context, which a persistent pool does not open.
        """
        given = self.pools.get(pool)
        if given is None:
            known = ", ".join(sorted(self.pools))
            raise FileFault(f"pool `{pool}` is not one of this worker's: {known}")
        if stated is not None and stated != given:
            raise FileFault(
                f"isolation `{stated}` is stated, but the pool `{pool}` is of isolation `{given}`"
            )
        if context_options and given == PERSISTENT:
            raise FileFault(
                f"context_options need a new context, which the persistent pool `{pool}` does not "
                "open; set them for the pool"
            )
        return given

    def values_of(self, secrets: Iterable[str]) -> FunctionSecrets:
        """The secrets of these names, of which some may be missing now and appear later.

        `assemble` leaves a function out while it lacks a required one.
        """
        return self.secrets.named(secrets)


class Loader(Protocol):
    """Loads the files of one suffix. What a file defines, and of which kind, its text says."""

    @property
    def bytes_at_once(self) -> int:
        """Bytes of files that one thread reads, with one time limit.

        0 if reading runs their code: each file gets a thread, and a limit, of its own.
        """

    def references(self, path: PurePosixPath, data: bytes) -> Iterable[PurePosixPath]:
        """The files whose text this file may use, existing or not: it is reloaded with them."""

    def reader(self, snapshot: Snapshot) -> ReadFile:
        """Prepare to read files of a snapshot; all that is read so may share state."""
