"""What a worker leaves when it ends, in order and not, and how the next one sweeps it."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness.waiting import until
from worker.browser.browsers import Browsers
from worker.browser.launch import LaunchPlan
from worker.browser.os_processes import alive, processes_of
from worker.browser.sweep import Swept, boot_folder, sweep


class Boot:
    """A running worker-like process."""

    def __init__(self, process: asyncio.subprocess.Process, hello: dict[str, Any]) -> None:
        self.process = process
        self.chromium = psutil.Process(hello["chromium"])
        self.driver = psutil.Process(hello["driver"])

    async def next_line(self) -> dict[str, Any]:
        """The next thing it says."""
        return await _next_line(self.process)

    async def ask(self) -> dict[str, Any]:
        """Makes it work in its page."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"work\n")
        return await self.next_line()


async def _next_line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    while True:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        assert line, "it ended"
        with contextlib.suppress(json.JSONDecodeError):  # log lines stand between
            said: dict[str, Any] = json.loads(line)
            return said


@contextlib.asynccontextmanager
async def _booted(tmp_path: Path, *, process_group: int | None) -> AsyncIterator[Boot]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.worker.browser.boot",
        str(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=process_group,
    )
    boot = Boot(process, await _next_line(process))
    yield boot
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    for left in processes_of(tmp_path):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended with another of them
            left.kill()
    if process.stdin is not None:
        process.stdin.close()


@pytest.fixture
async def boot(tmp_path: Path) -> AsyncIterator[Boot]:
    # In our own process group: were it alone in one, the kernel would end a driver that we stop
    # (SIGHUP to a stopped process whose group is orphaned), and there would be less to sweep.
    async with _booted(tmp_path, process_group=None) as boot:
        yield boot


@pytest.fixture
async def boot_in_a_terminal(tmp_path: Path) -> AsyncIterator[Boot]:
    """In a process group of its own, as a shell does it, so that a Ctrl-C can be sent there."""
    async with _booted(tmp_path, process_group=0) as boot:
        yield boot


async def test_orphans_of_a_killed_worker_are_swept_with_their_folder(
    boot: Boot, tmp_path: Path
) -> None:
    boot.driver.suspend()  # it cannot notice that its worker dies
    boot.process.kill()
    await boot.process.wait()
    assert alive(boot.driver)
    assert alive(boot.chromium)
    assert len(processes_of(tmp_path)) >= 2

    swept = await asyncio.to_thread(sweep, tmp_path)

    assert swept.folders == 1
    assert swept.processes >= 2
    await until(lambda: processes_of(tmp_path) == [])
    assert not alive(boot.driver)
    assert not alive(boot.chromium)
    assert list(tmp_path.iterdir()) == []
    assert await asyncio.to_thread(sweep, tmp_path) == Swept()


async def test_a_browser_whose_driver_and_worker_were_killed_leaves_at_most_a_folder(
    boot: Boot, tmp_path: Path
) -> None:
    boot.process.kill()
    await boot.process.wait()
    await until(lambda: processes_of(tmp_path) == [])
    assert (await asyncio.to_thread(sweep, tmp_path)).folders == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_living_worker_is_not_swept(boot: Boot, tmp_path: Path) -> None:
    assert await asyncio.to_thread(sweep, tmp_path) == Swept()
    assert await boot.ask() == {"answer": 42}


async def test_the_next_start_sweeps_also_when_it_knows_the_folder_by_another_name(
    boot: Boot, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    boot.driver.suspend()
    boot.process.kill()
    await boot.process.wait()
    link = tmp_path_factory.mktemp("elsewhere") / "link"
    link.symlink_to(tmp_path)
    async with Browsers(LaunchPlan(), count=1, slots=1, temp_dir=link).running():
        await until(lambda: not alive(boot.driver) and not alive(boot.chromium))
    assert list(tmp_path.iterdir()) == []


async def test_a_ctrl_c_in_the_terminal_ends_neither_driver_nor_browser(
    boot_in_a_terminal: Boot, tmp_path: Path
) -> None:
    boot = boot_in_a_terminal
    os.killpg(boot.process.pid, signal.SIGINT)
    assert await boot.next_line() == {"heard": "SIGINT"}
    assert await boot.ask() == {"answer": 42}
    assert alive(boot.driver)
    boot.process.terminate()
    assert await asyncio.wait_for(boot.process.wait(), 20) == 0
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_boot_folder_is_private_locked_and_gone_at_the_end(tmp_path: Path) -> None:
    with boot_folder(tmp_path / "base", "one") as folder:
        assert folder.name == "slotgrid-one"
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "file").write_text("x")
        assert sweep(tmp_path / "base") == Swept()
        assert folder.exists()
    assert list((tmp_path / "base").iterdir()) == []


def test_a_folder_that_never_was_locked_belongs_to_a_dead_worker(tmp_path: Path) -> None:
    (tmp_path / "slotgrid-old" / "browser-1").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    assert sweep(tmp_path) == Swept(processes=0, folders=1)
    assert [left.name for left in tmp_path.iterdir()] == ["other"]


def test_what_is_not_the_folder_of_a_worker_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "slotgrid-notes").write_text("a file")
    (tmp_path / "slotgrid-odd" / "lock").mkdir(parents=True)
    assert sweep(tmp_path) == Swept()
    assert (tmp_path / "slotgrid-notes").read_text() == "a file"
