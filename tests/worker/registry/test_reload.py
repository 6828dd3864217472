"""What happens when the folder changes under a registry that is in use."""

import asyncio
import errno
import gc
import importlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
import watchfiles

from slotgrid.backoff import Backoff
from slotgrid.function_files import folder_watch, snapshot
from slotgrid.runtime.regular_file import read_regular_file
from tests.harness.waiting import until
from tests.worker.registry.conftest import Changes, Folder, run
from worker.registry.python.function import PythonFunction
from worker.registry.registry import Registry


def revision(registry: Registry, name: str) -> str:
    spec = registry.find(name)
    assert spec is not None
    return spec.revision


async def test_a_change_is_loaded_and_nothing_else_is_touched(
    folder: Folder, registry: Registry
) -> None:
    folder.write_function("a.py", "1")
    folder.write_function("b.py", "1")
    await registry.load()
    version, untouched, before = registry.version, registry.runnable("b"), revision(registry, "a")
    folder.write_function("a.py", "2")
    assert await registry.load()
    assert await run(registry, "a") == 2
    assert registry.runnable("b") is untouched
    assert registry.version == version + 1
    assert revision(registry, "a") != before
    folder.write_function("a.py", "1")
    await registry.load()
    assert revision(registry, "a") == before


async def test_a_load_without_a_change_changes_nothing(folder: Folder, registry: Registry) -> None:
    folder.write_function("a.py")
    folder.write("b.py", "broken (")
    await registry.load()
    version, loaded = registry.version, registry.runnable("a")
    (folder.path / "a.py").touch()
    assert not await registry.load()
    assert registry.version == version
    assert registry.runnable("a") is loaded


async def test_a_running_function_ends_with_the_code_it_began_with(
    folder: Folder, registry: Registry
) -> None:
    text = """
        import asyncio

        @function()
        async def run(context, started, go_on):
            started.set()
            await go_on.wait()
            from ._late import ANSWER
            return "{0}", ANSWER
        """
    folder.write("a.py", text.format("old"))
    folder.write("_late.py", "ANSWER = 'old'")
    await registry.load()
    old = registry.runnable("a")
    assert isinstance(old, PythonFunction)
    started, go_on = asyncio.Event(), asyncio.Event()
    running = asyncio.ensure_future(old.callable(None, started=started, go_on=go_on))
    await started.wait()
    folder.write("a.py", text.format("new"))
    folder.write("_late.py", "ANSWER = 'new'")
    await registry.load()
    new = registry.runnable("a")
    assert isinstance(new, PythonFunction)
    go_on.set()
    assert await running == ("old", "old")
    assert await new.callable(None, started=started, go_on=go_on) == ("new", "new")


async def test_old_code_goes_when_nobody_holds_it(folder: Folder, registry: Registry) -> None:
    folder.write_function("a.py", "1")
    await registry.load()
    old = registry.runnable("a")
    assert isinstance(old, PythonFunction)
    module = old.callable.__module__
    folder.write_function("a.py", "2")
    await registry.load()
    assert module in sys.modules
    del old
    folder.write_function("b.py")  # another load, so that the one before has quite ended
    await registry.load()
    gc.collect()
    assert module not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(module)


async def test_a_changed_helper_reloads_all_that_import_it(
    folder: Folder, registry: Registry
) -> None:
    folder.write("_inner.py", "LIMIT = 1")
    folder.write("_outer.py", "from . import _inner")
    folder.write_function("shop/a.py", "_outer._inner.LIMIT", imports="from .. import _outer")
    folder.write_function("b.py", "5")
    await registry.load()
    untouched, before = registry.runnable("b"), revision(registry, "shop/a")
    assert await run(registry, "shop/a") == 1
    folder.write("_inner.py", "LIMIT = 2")
    await registry.load()
    assert await run(registry, "shop/a") == 2
    assert revision(registry, "shop/a") != before
    assert registry.runnable("b") is untouched


async def test_a_change_that_breaks_keeps_the_last_good_version(
    folder: Folder, registry: Registry
) -> None:
    folder.write_function("a.py", "1")
    await registry.load()
    good = revision(registry, "a")
    for text in ("def (", "@function(requires=('gone',))\nasync def a(context): ..."):
        folder.write("a.py", text)
        assert await registry.load()
        assert await run(registry, "a") == 1
        (broken,) = registry.broken
        assert (broken.path, broken.kept_revision) == ("a.py", good)
    folder.write_function("a.py", "2")
    await registry.load()
    assert await run(registry, "a") == 2
    assert registry.broken == ()


async def test_a_helper_that_breaks_keeps_its_users_until_it_is_mended(
    folder: Folder, registry: Registry
) -> None:
    folder.write("_limit.py", "LIMIT = 1")
    folder.write_function("a.py", "LIMIT", imports="from ._limit import LIMIT")
    await registry.load()
    folder.remove("_limit.py")
    await registry.load()
    assert await run(registry, "a") == 1
    assert "No module named '_limit'" in registry.broken[0].error
    folder.write("_limit.py", "LIMIT = 2")
    await registry.load()
    assert await run(registry, "a") == 2


async def test_a_removed_file_removes_its_function(folder: Folder, registry: Registry) -> None:
    folder.write_function("a.py")
    folder.write_function("b.py")
    await registry.load()
    folder.remove("a.py")
    await registry.load()
    assert [spec.name for spec in registry.specs()] == ["b"]
    folder.write("a.py", "def (")
    await registry.load()
    assert registry.broken[0].kept_revision is None


async def test_a_service_that_appears_mends_who_requires_it(
    folder: Folder, registry: Registry
) -> None:
    folder.write("a.py", "@function(requires=('db',))\nasync def a(context): return 1")
    await registry.load()
    assert registry.broken[0].path == "a.py"
    folder.write(
        "db.py",
        "@service('db')\nclass Db:\n    async def start(self): ...\n"
        "    async def stop(self): ...\n    async def status(self): ...",
    )
    await registry.load()
    assert registry.broken == ()
    assert registry.find("a") is not None
    assert [service.name for service in registry.services_defined] == ["db"]


async def test_changes_are_seen_as_they_happen(folder: Folder, registry: Registry) -> None:
    changes = Changes(registry)
    folder.write_function("a.py", "1")
    await registry.load()
    async with registry.watching():
        folder.write_function("b.py", "1")
        await changes.until(lambda: registry.find("b") is not None)
        before = revision(registry, "a")
        folder.write_function("a.py", "2")
        await changes.until(lambda: revision(registry, "a") != before)
        folder.remove("b.py")
        await changes.until(lambda: registry.find("b") is None)
        folder.write_function("x/y/z.py", "1")
        await changes.until(lambda: registry.find("x/y/z") is not None)


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_folder_that_comes_later_or_is_replaced_is_watched(
    folder: Folder, make_registry: Callable[..., Registry], replaced: bool
) -> None:
    if replaced:
        folder.write_function("old.py")
    else:
        folder.path.rmdir()
    registry = make_registry()
    await registry.load()
    changes = Changes(registry)
    async with registry.watching():
        if replaced:
            folder.write_function("now_the_watch_stands.py")
            await changes.until(lambda: registry.find("now_the_watch_stands") is not None)
            shutil.rmtree(folder.path)
            await changes.until(lambda: not registry.specs())
        folder.write_function("a.py")
        await changes.until(lambda: registry.find("a") is not None)
        before = revision(registry, "a")
        folder.write_function("a.py", "2")
        await changes.until(lambda: revision(registry, "a") != before)


async def test_a_folder_that_cannot_be_watched_is_looked_at_until_it_can(
    folder: Folder, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = watchfiles.awatch

    def failing(*_: object, **__: object) -> None:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(folder_watch, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(watchfiles, "awatch", failing)
    changes = Changes(registry)
    with structlog.testing.capture_logs() as logs:
        await registry.load()
        async with registry.watching():
            folder.write_function("a.py", "1")
            await changes.until(lambda: registry.find("a") is not None)
            folder.write_function("b.py", "1")
            await changes.until(lambda: registry.find("b") is not None)
            monkeypatch.setattr(watchfiles, "awatch", working)
            await until(lambda: any(line["event"] == "functions.watched_again" for line in logs))
            folder.write_function("c.py", "1")
            await changes.until(lambda: registry.find("c") is not None)
    failed = [line for line in logs if line["event"] == "functions.watch_failed"]
    assert len(failed) == 1
    assert "OS file watch limit reached" in failed[0]["error"]
    assert "exc_info" not in failed[0]


@pytest.mark.parametrize("unreadable", [".", "sub"])
async def test_an_unreadable_folder_keeps_its_functions_and_is_read_again(
    folder: Folder, registry: Registry, monkeypatch: pytest.MonkeyPatch, unreadable: str
) -> None:
    monkeypatch.setattr(folder_watch, "LOOK_AGAIN_S", 0.05)
    folder.write_function("sub/a.py", "1")
    await registry.load()
    scandir, closed = os.scandir, folder.path / unreadable

    def refusing(path: Any) -> Any:
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    changes = Changes(registry)
    with structlog.testing.capture_logs() as logs:
        async with registry.watching():
            monkeypatch.setattr(os, "scandir", refusing)
            folder.write_function("seen.py")
            folder.write_function("sub/a.py", "2")
            await changes.until(lambda: bool(registry.broken))
            assert [broken.path for broken in registry.broken] == ["sub/a.py"]
            assert "Permission denied" in registry.broken[0].error
            assert await run(registry, "sub/a") == 1
            monkeypatch.setattr(os, "scandir", scandir)
            await changes.until(lambda: not registry.broken)
    assert await run(registry, "sub/a") == 2
    assert registry.find("seen") is not None
    assert len([line for line in logs if line["event"] == "functions.unreadable"]) == 1


async def test_a_file_that_could_not_be_read_for_a_moment_is_read_again(
    folder: Folder, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_watch, "LOOK_AGAIN_S", 0.05)
    folder.write_function("a.py", "1")

    def failing(path: Path) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    monkeypatch.setattr(snapshot, "read_regular_file", failing)
    await registry.load()
    assert "Too many open files" in registry.broken[0].error
    changes = Changes(registry)
    async with registry.watching():
        monkeypatch.setattr(snapshot, "read_regular_file", read_regular_file)
        await changes.until(lambda: registry.find("a") is not None)
    assert registry.broken == ()


async def test_an_import_that_took_too_long_is_tried_again_later(
    folder: Folder, make_registry: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_watch, "LOOK_AGAIN_S", 0.05)
    slow = folder.path / "slow"
    slow.touch()
    folder.write_function(
        "a.py",
        imports=f"import pathlib, time\nwhile pathlib.Path({str(slow)!r}).exists(): "
        "time.sleep(0.01)",
    )
    registry = make_registry({"import_timeout_s": 0.5, "retry_import": Backoff(0.1, 3600.0)})
    await registry.load()
    assert "takes longer than 0.5 s" in registry.broken[0].error
    changes = Changes(registry)
    async with registry.watching():
        slow.unlink()  # no file of Python: the machine is less busy now
        await changes.until(lambda: registry.find("a") is not None)
    assert registry.broken == ()


async def test_watching_ends_with_its_block(folder: Folder, registry: Registry) -> None:
    async with registry.watching():
        assert any(task.get_name() == "functions-watch" for task in asyncio.all_tasks())
    assert not any(task.get_name() == "functions-watch" for task in asyncio.all_tasks())
