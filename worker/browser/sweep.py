"""The temporary folder of a worker's boot, and the sweep of dead workers' leftovers."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
import structlog

from slotgrid.runtime.setting_choices import BrowserKind
from worker.browser.launch import BOOT_SWITCH
from worker.browser.os_processes import kill, kill_group, leads_a_group, processes_of

log = structlog.get_logger(__name__)

PREFIX = "slotgrid-"
LOCK = "lock"
GONE_WITHIN_S = 2.0
LONGEST_BASE = 28
"""Limit in bytes. The full Chromium keeps a socket whose path is 78 characters longer than the
base, and the kernel refuses socket paths above 107. The shell keeps no socket."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed: killed processes, deleted folders."""

    processes: int = 0
    folders: int = 0


def temporary_base(data_dir: Path, kind: BrowserKind) -> Path:
    """The folder for the temporary folders of this data folder's workers; the same at each boot.

    Inside the data folder, unless that path is too long for the full Chromium.
    """
    inside = data_dir.absolute() / "tmp"
    if kind is BrowserKind.SHELL or len(os.fsencode(inside)) <= LONGEST_BASE:
        return inside
    return Path(tempfile.gettempdir()) / f"{PREFIX}{os.getuid()}"


@contextlib.contextmanager
def boot_folder(base: Path, boot_id: str) -> Iterator[Path]:
    """This boot's own folder, `slotgrid-<boot id>` in `base`, removed at the end.

    The folder has a file that this process keeps locked. The kernel releases the lock at any end
    of the process, so `sweep` distinguishes live workers from dead ones.
    """
    base.mkdir(parents=True, exist_ok=True)
    base = base.resolve()  # a sweep finds leftover processes by exactly this path
    # Locked under another name first: under its own, a sweep could run before the lock is taken.
    unlocked = base / f".{PREFIX}{boot_id}"
    unlocked.mkdir(mode=0o700)
    with (unlocked / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder = unlocked.rename(base / f"{PREFIX}{boot_id}")
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep(base: Path) -> Swept:
    """Kill the browsers and drivers that dead workers left, and remove their folders in `base`.

    Normally a driver ends with its worker and ends its browser; a driver that was stopped or
    killed first cannot. Blocks for some ten milliseconds, and up to 2 s for the processes' exit.
    """
    processes = folders = 0
    for folder in sorted(base.resolve().glob(f"{PREFIX}*")):
        lock = _lock_of_the_dead(folder)
        if lock is None:
            continue
        with lock:
            left = {*processes_of(folder), *_marked(folder.name.removeprefix(PREFIX))}
            for process in left:
                end = kill_group if leads_a_group(process) else kill
                end(process)
            psutil.wait_procs(list(left), timeout=GONE_WITHIN_S)
            shutil.rmtree(folder, ignore_errors=True)
        processes += len(left)
        folders += 1
    return Swept(processes, folders)


def _lock_of_the_dead(folder: Path) -> IO[str] | None:
    """Take the lock of a dead worker's `folder`.

    None if the worker lives, or if `folder` is not ours: a file, or another user's folder.
    """
    try:
        lock = (folder / LOCK).open("w")
    except FileNotFoundError:  # its worker or another sweep has just removed it
        return None
    except OSError as error:
        log.warning("browser.not_swept", folder=str(folder), reason=error.strerror)
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _marked(boot_id: str) -> list[psutil.Process]:
    switch = f"{BOOT_SWITCH}{boot_id}"
    return [
        one for one in psutil.process_iter(["cmdline"]) if switch in (one.info["cmdline"] or ())
    ]
