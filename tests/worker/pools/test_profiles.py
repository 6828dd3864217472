"""Profiles that are locked, missing or not writable: their slots are down, and heal."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Error as PlaywrightError

from tests.harness.in_process.worker import RunningWorker, running_worker
from tests.harness.waiting import until
from tests.site.fixtures import Site
from tests.worker.pools.profiles import FUNCTIONS, a_pools_file
from worker.browser.errors import launch_fault
from worker.browser.profile_lock import CHROMIUM_LOCK, LOCK, ProfileLock, ProfileUnusable


def problem_with(folder: Path, *, create: bool = True) -> str:
    with pytest.raises(ProfileUnusable) as caught, ProfileLock(folder, create=create):
        pass
    return str(caught.value)


def test_a_profile_is_held_once_and_then_free_again(tmp_path: Path) -> None:
    folder = tmp_path / "profiles" / "0"
    with ProfileLock(folder, create=True):
        assert problem_with(folder).startswith(f"profile locked: {folder} is in use by another")
    with ProfileLock(folder, create=True):
        assert (folder / LOCK).read_text() == socket.gethostname()


def test_a_configured_folder_is_not_made(tmp_path: Path) -> None:
    told = problem_with(tmp_path / "volume" / "0", create=False)
    assert told == f"the profile folder {tmp_path / 'volume'} is missing; create or mount it"
    assert not (tmp_path / "volume").exists()


def test_a_folder_that_takes_no_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "0").write_text("a file")
    assert "is not usable: " in problem_with(tmp_path / "0")


def test_a_folder_where_nothing_can_be_made_is_told() -> None:
    # Not by a mode of the folder: tests may run as root, who may write everywhere on a disk.
    assert "is not usable: " in problem_with(Path("/proc/self/fdinfo/0"))


def lock_of_chromium(folder: Path, host: str, pid: int) -> Path:
    folder.mkdir(exist_ok=True)
    link = folder / CHROMIUM_LOCK
    link.symlink_to(f"{host}-{pid}")
    return link


def test_the_lock_of_a_dead_browser_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    link = lock_of_chromium(tmp_path / "0", socket.gethostname(), ended.pid)
    with ProfileLock(tmp_path / "0", create=True):
        assert not link.is_symlink()


def test_the_lock_of_a_number_that_another_process_got_is_removed(tmp_path: Path) -> None:
    link = lock_of_chromium(tmp_path / "0", socket.gethostname(), os.getpid())
    with ProfileLock(tmp_path / "0", create=True):
        assert not link.is_symlink()


def test_a_living_browser_keeps_its_lock(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    words = [sys.executable, "-c", "input()", f"--user-data-dir={folder}"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as living:
        link = lock_of_chromium(folder, socket.gethostname(), living.pid)
        told = problem_with(folder)
        assert told.startswith(f"profile locked: {folder} is in use by process {living.pid} (")
        assert link.is_symlink()
        living.communicate(b"\n")
    with ProfileLock(folder, create=True):
        assert not link.is_symlink()


def test_the_lock_of_another_machine_counts_unless_it_was_ours(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    link = lock_of_chromium(folder, "elsewhere", 7)
    told = problem_with(folder)
    assert told.startswith(f"profile locked: {folder} is in use by process 7 on the machine ")
    assert str(link) in told
    # A container has another host name after each start.
    (folder / LOCK).write_text("elsewhere")
    with ProfileLock(folder, create=True):
        assert not link.is_symlink()


def slots_of(worker: RunningWorker) -> dict[int, Any]:
    return {slot.slot: slot for slot in worker.worker.persistent.stats()}


async def test_a_slot_without_profile_is_down_and_the_others_work(
    tmp_path: Path, site: Site
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    link = lock_of_chromium(volume / "0", "elsewhere", 7)
    file = a_pools_file(tmp_path, f"kept: {{size: 2, isolation: persistent, profile: {volume}}}\n")
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file) as worker:
        assert slots_of(worker)[0].state == "down"
        assert worker.worker.slots.free == {"kept": 1}
        health = await worker.get("/health")
        told = health["browsers"]["persistent"][0]["problem"]
        assert told.startswith("profile locked: ")
        assert health["pools"]["kept"] | {"isolation": 0} == {
            "size": 2, "free": 1, "busy": 0, "isolation": 0,
        }  # fmt: skip
        await worker.call("login", url=site.url, name="ann")
        for _ in range(3):
            assert (await worker.call("who", url=site.url))["storage"] == "ann"
        answer = await worker.submit(
            "who", input={"url": site.url}, wait_s=0.2, place={"pool": "kept", "slot": 0}
        )
        assert answer.status == 504
        assert "profile locked" in answer.json["reason"]
        assert worker.worker.health.mismatch() == 0

        link.unlink()
        await until(lambda: slots_of(worker)[0].state == "idle", 20)
        assert worker.worker.slots.free == {"kept": 2}
        answer = await worker.submit(
            "who", input={"url": site.url}, place={"pool": "kept", "slot": 0}
        )
        assert answer.json["result"] == {"storage": None, "cookies": ""}


async def test_a_missing_volume_heals_when_it_is_mounted(tmp_path: Path, site: Site) -> None:
    volume = tmp_path / "volume"
    file = a_pools_file(tmp_path, f"kept: {{size: 1, isolation: persistent, profile: {volume}}}\n")
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        assert "is missing" in slots_of(worker)[0].problem
        waiting = await worker.start("who", url=site.url)
        volume.mkdir()
        assert (await waiting.result())["storage"] is None
        assert slots_of(worker)[0].problem is None


def test_of_a_browser_that_did_not_start_only_the_cause_is_told() -> None:
    log = (
        "BrowserType.launch_persistent_context: Target closed\nBrowser logs:\n\n"
        "  - [pid=1][err] [1:1:1201/03.4:FATAL:x/singleton.cc:315] Path too long: /x.\n"
    )
    told = "BrowserType.launch_persistent_context: Target closed: Path too long: /x."
    assert launch_fault(PlaywrightError(log)) == told
    assert launch_fault(ValueError("no")) == "no"
