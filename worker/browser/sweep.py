"""The temporary folder of one boot of a worker, and the sweep of what dead workers left."""

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

from slotgrid.runtime.choices import BrowserKind
from worker.browser.launch import BOOT_SWITCH
from worker.browser.processes import kill, kill_group, leads_a_group, processes_of

log = structlog.get_logger(__name__)

PREFIX = "slotgrid-"
LOCK = "lock"
GONE_WITHIN_S = 2.0
LONGEST_BASE = 28
"""The full Chromium keeps a socket 78 characters below the base, and the kernel refuses longer
paths for a socket than 107. The shell keeps none."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed: processes ended, folders deleted."""

    processes: int = 0
    folders: int = 0


def temporary_base(data_dir: Path, kind: BrowserKind) -> Path:
    """Where workers of this data folder make their temporary folders: the same at each boot.

    Inside of the data folder, unless that lies too deep for the full Chromium.
    """
    inside = data_dir.absolute() / "tmp"
    if kind is BrowserKind.SHELL or len(os.fsencode(inside)) <= LONGEST_BASE:
        return inside
    return Path(tempfile.gettempdir()) / f"{PREFIX}{os.getuid()}"


@contextlib.contextmanager
def boot_folder(base: Path, boot_id: str) -> Iterator[Path]:
    """A folder of this boot's own, `slotgrid-<boot id>` in `base`, removed at the end.

    It holds a locked file for as long as this process lives. The kernel drops the lock when the
    process ends, however it ends: that is how `sweep` tells the living from the dead.
    """
    base.mkdir(parents=True, exist_ok=True)
    base = base.resolve()  # what is left of us is recognised by this very path
    # Locked under another name first: under its own, a sweep could come before the lock does.
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
    """Ends the browsers and drivers that dead workers left, and removes their folders in `base`.

    Normally a driver ends when its worker does, and takes its browser along; a driver that was
    stopped or killed first cannot. Blocking: some ten milliseconds, and up to 2 s to see them gone.
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
    """The lock of `folder`, now ours since its worker is dead; None when it lives, and for what is
    not ours: a file of such a name, the folder of another user.
    """
    try:
        lock = (folder / LOCK).open("w")
    except FileNotFoundError:  # just now removed by its worker, or by another sweep
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
