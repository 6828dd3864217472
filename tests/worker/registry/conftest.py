"""A functions folder to write into, and registries on it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.worker.registry.registries import SETTINGS, registry_of
from worker.registry.registry import Registry

HEADER = "from slotgrid.function import Context, Meta, Secret, function, service, tag\n"


class Folder:
    """A functions folder; every file begins with the imports that a function needs, on line 1."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str, *, header: str = HEADER) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(header + dedent(text).lstrip("\n"))
        return file

    def write_function(self, name: str, returned: str = "1", imports: str = "") -> Path:
        return self.write(
            name,
            f"{imports}\n@function()\nasync def run(context: Context) -> int:\n"
            f"    return {returned}\n",
        )

    def remove(self, name: str) -> None:
        (self.path / name).unlink()


class Changes:
    """Counts a registry's changes, and waits for what they bring."""

    def __init__(self, registry: Registry) -> None:
        self._changed = asyncio.Event()
        registry.on_change(self._changed.set)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "functions"
    path.mkdir()
    return Folder(path)


@pytest.fixture
def make_registry(folder: Folder) -> Callable[..., Registry]:
    def make(timeouts: Any = None, **settings: Any) -> Registry:
        return registry_of(folder.path, replace(SETTINGS, **settings), **(timeouts or {}))

    return make


@pytest.fixture
async def registry(make_registry: Callable[..., Registry]) -> AsyncIterator[Registry]:
    yield make_registry()


async def run(registry: Registry, name: str, **given: Any) -> Any:
    """Call a coroutine function as the runner would, with no context."""
    found = registry.runnable(name)
    assert found is not None, f"{name} is not there: {registry.broken}"
    context: Any = None
    return await found.run(context, given)
