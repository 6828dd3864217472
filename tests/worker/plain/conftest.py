"""Plain functions in a folder, and a context that remembers what they said."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from slotgrid.core.deadlines import Deadline
from slotgrid.core.task_parts import Artifact, FileData
from slotgrid.records.file_data import opened
from tests.worker.registry.conftest import Folder
from tests.worker.registry.registries import registry_of
from worker.plain.child_processes import PlainProcesses
from worker.registry.python.function import PythonFunction
from worker.registry.registry import Registry


@dataclass
class Heard:
    """The words of `Context` that a plain function can use; keeps all that is said."""

    task_id: str = "task-1"
    attempt: int = 1
    deadline: Deadline = field(default_factory=lambda: Deadline.after(30))
    secrets: Mapping[str, str] = field(default_factory=lambda: {"API_KEY": "sesame"})
    said: list[tuple[Any, ...]] = field(default_factory=list)
    pace: Callable[[], Awaitable[object]] | None = None

    def __post_init__(self) -> None:
        self._spoken = asyncio.Event()

    async def _keep(self, *words: Any) -> None:
        self.said.append(words)
        self._spoken.set()
        if self.pace is not None:
            await self.pace()

    async def until(self, holds: Callable[[list[tuple[Any, ...]]], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds(self.said):
                self._spoken.clear()
                await self._spoken.wait()

    async def emit(self, kind: str, text: str | None = None, data: Any = None) -> None:
        if kind == "done":
            raise ValueError("`done` is reserved")
        await self._keep("emit", kind, text, data)

    async def status(self, text: str) -> None:
        await self._keep("status", text)

    async def progress(self, text: str, fraction: float | None = None) -> None:
        await self._keep("progress", text, fraction)

    async def stream(self, chunk: str) -> None:
        await self._keep("stream", chunk)

    async def log(self, line: str, stream: str = "stdout") -> None:
        await self._keep("log", line, stream)

    async def save(self, name: str, data: FileData, *, replace: bool = True) -> Artifact:
        async with opened(data) as content:
            saved = b"".join([piece async for piece in content.pieces])
        await self._keep("save", name, saved, replace)
        return Artifact(name, len(saved), "text/plain", f"/tasks/{self.task_id}/{name}")


class Plain:
    """A folder of plain functions that can be called."""

    def __init__(self, folder: Folder, registry: Registry, processes: PlainProcesses) -> None:
        self.folder = folder
        self.registry = registry
        self.processes = processes

    async def write(self, text: str, name: str = "work", options: str = "") -> PythonFunction:
        """Make the text the body of a function's file, and load it."""
        self.folder.write(f"{name}.py", text.replace("@function", f"@function({options})"))
        await self.registry.load()
        function = self.registry.runnable(name)
        assert isinstance(function, PythonFunction), self.registry.broken
        return function

    async def run(self, function: PythonFunction, heard: Heard | None = None, **given: Any) -> Any:
        context: Any = heard or Heard()
        async with asyncio.timeout(60):
            return await function.run(context, given)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has reaped yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until_dead(*pids: int) -> None:
    # The kernel tells nobody but the parent, so it is asked again and again.
    for _ in range(1000):
        if not any(alive(pid) for pid in pids):
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"still alive: {pids}")


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Plain]:
    path = tmp_path / "functions"
    path.mkdir()
    processes = PlainProcesses(limit=2)
    registry = registry_of(path, plain=processes)
    async with processes.running():
        yield Plain(Folder(path), registry, processes)
    assert processes.pids == ()
