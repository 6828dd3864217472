"""A second kind of file: `.yaml` files whose first line is their kind, without any YAML."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from slotgrid.core.schema import Schema
from slotgrid.core.spec import FunctionSpec
from slotgrid.function import Context
from slotgrid.function_files.faults import FileFault
from slotgrid.function_files.names import function_name
from slotgrid.function_files.snapshot import Snapshot
from worker.registry.definitions import FileContents
from worker.registry.loader import LoaderSettings, ReadFile
from worker.registry.runnable import Runnable

OBJECT = {"type": "object"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe(Runnable):
    """Logs each of its lines and returns them, or fails at the line `fail`."""

    lines: list[str] = field(default_factory=list)

    async def run(self, context: Context, filled: Mapping[str, Any]) -> Any:
        for line in self.lines:
            if line == "fail":
                raise LookupError("a line that fails")
            await context.log(line)
        return {"lines": self.lines, "input": filled}


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow(Runnable):
    """Returns the number of its lines."""

    count: int

    async def run(self, context: Context, filled: Mapping[str, Any]) -> Any:
        return self.count


class TextLoader:
    """Makes a recipe or a flow, as the file says; a line `use FILE` refers to another file."""

    bytes_at_once = 100

    def __init__(self, settings: LoaderSettings) -> None:
        self._settings = settings
        self.threads: dict[str, str] = {}
        """The thread that read each file."""

    def references(self, path: PurePosixPath, data: bytes) -> Iterator[PurePosixPath]:
        for line in data.decode().splitlines():
            if line.startswith("use "):
                yield path.parent / line.removeprefix("use ")

    def reader(self, snapshot: Snapshot) -> ReadFile:
        def read(path: PurePosixPath) -> FileContents:
            self.threads[str(path)] = threading.current_thread().name
            data = snapshot.sources[path].data
            assert data is not None
            kind, *lines = data.decode().splitlines()
            revision = snapshot.revision(path)
            function: Runnable
            match kind:
                case "kind: recipe":
                    function = Recipe(spec=self._spec(path, "recipe", revision), lines=lines)
                case "kind: flow":
                    function = Flow(spec=self._spec(path, "flow", revision), count=len(lines))
                case _:
                    raise FileFault(f"`{kind}` is no kind of function")
            return FileContents(
                path=str(path), revision=revision, function=function, tags=(), services=()
            )

        return read

    def _spec(self, path: PurePosixPath, kind: Any, revision: str) -> FunctionSpec:
        return FunctionSpec(
            name=function_name(path),
            description="",
            kind=kind,
            group=self._settings.group,
            contract=self._settings.contract,
            revision=revision,
            input=Schema(OBJECT),
            output=None,
            modes=("sync",),
            timeout_s=self._settings.default_timeout_s,
        )
