"""What the registry asks of a loader: the part that loads the files of one suffix."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Protocol

from worker.registry.definitions import FileContents, FileFault
from worker.registry.sources import Snapshot

ReadFile = Callable[[PurePosixPath], FileContents]
"""Returns the definitions of one file. Raises FileFault. Runs in a thread, with a time limit."""

_PART = re.compile(r"[\w-]+")


@dataclass(frozen=True, kw_only=True)
class LoaderSettings:
    """The settings of one worker that its functions depend on."""

    group: str
    contract: int
    default_timeout_s: float
    pools: Collection[str]
    environment: Mapping[str, str]

    def values_of(self, secrets: Iterable[str]) -> Mapping[str, str]:
        """The environment's values of these names. Raises FileFault if one is missing or empty.

        Read-only, as all tasks of a function share them.
        """
        missing = [name for name in secrets if not self.environment.get(name)]
        if missing:
            raise FileFault(f"the environment lacks the secret {' and '.join(missing)}")
        return MappingProxyType({name: self.environment[name] for name in secrets})


class Loader(Protocol):
    """Loads the files of one suffix. What a file defines, and of which kind, its text says."""

    def references(self, path: PurePosixPath, data: bytes) -> Iterable[PurePosixPath]:
        """The files whose text this file may use, existing or not: it is reloaded with them."""

    def reader(self, snapshot: Snapshot) -> ReadFile:
        """Prepare to read files of a snapshot; all that is read so may share state."""


def function_name(path: PurePosixPath) -> str:
    """The name of the function in a file: its path without the suffix. Raises FileFault."""
    parts = path.with_suffix("").parts
    for part in parts:
        if not _PART.fullmatch(part):
            raise FileFault(f"`{part}` cannot be in a function's name: only letters, digits, - _")
    return "/".join(parts)
