"""The folder of one profile, held by one browser at a time."""

import contextlib
import fcntl
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import IO

import psutil

from worker.browser.errors import BrowserError
from worker.browser.os_processes import alive

LOCK = "slotgrid.lock"
CHROMIUM_LOCK = "SingletonLock"
"""A symbolic link to `host-pid`: how the full Chromium locks a profile. The shell has no lock."""
_CHROMIUM_FILES = (CHROMIUM_LOCK, "SingletonSocket", "SingletonCookie")


class ProfileUnusable(BrowserError):
    """The folder of a profile is missing, not writable or in use; the message names it and why."""


class ProfileLock:
    """Holds the folder of a profile while the block runs, as no two browsers may share one.

    The kernel releases the lock at any end of this process. `create`: make the folder's parents
    too. Enter raises ProfileUnusable.
    """

    def __init__(self, folder: Path, *, create: bool) -> None:
        self.folder = folder
        self._create = create
        self._file: IO[str] | None = None

    def __enter__(self) -> "ProfileLock":
        base = self.folder.parent
        if not self._create and not base.is_dir():
            raise ProfileUnusable(f"the profile folder {base} is missing; create or mount it")
        try:
            self.folder.mkdir(mode=0o700, parents=self._create, exist_ok=True)
            self._file = _locked(self.folder / LOCK)
            _check_writable(self.folder)
            earlier_host = self._file.read().strip()
            _clear_chromium_lock(self.folder, earlier_host)
            self._file.seek(0)
            self._file.truncate()
            self._file.write(socket.gethostname())
            self._file.flush()
        except OSError as error:
            self.release()
            raise ProfileUnusable(
                f"the profile folder {self.folder} is not usable: {error.strerror or error}"
            ) from error
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Release the lock."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a write may be pending, on a full disk
                self._file.close()
            self._file = None


def _locked(path: Path) -> IO[str]:
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ProfileUnusable(
            f"profile locked: {path.parent} is in use by another worker; give each its own "
            "DATA_DIR or `profile`"
        ) from None
    file.seek(0)
    return file


def _clear_chromium_lock(folder: Path, earlier_host: str) -> None:
    """Remove the lock of a browser that has ended. Raises ProfileUnusable if it still runs.

    `earlier_host`: where the last owner of our own lock ran, which has ended: a container gets a
    new host name at each start.
    """
    try:
        host, _, pid = str((folder / CHROMIUM_LOCK).readlink()).rpartition("-")
    except OSError:  # no lock, or not a link
        return
    if host not in {socket.gethostname(), earlier_host}:
        raise ProfileUnusable(
            f"profile locked: {folder} is in use by process {pid} on the machine {host}; if that "
            f"has ended, remove {folder / CHROMIUM_LOCK}"
        )
    if host == socket.gethostname() and (user := _user_of(folder, pid)) is not None:
        raise ProfileUnusable(f"profile locked: {folder} is in use by process {pid} ({user})")
    for name in _CHROMIUM_FILES:
        (folder / name).unlink(missing_ok=True)


def _user_of(folder: Path, pid: str) -> str | None:
    """The name of a living process that has the profile open; None if there is none.

    The number may have been given to another process meanwhile.
    """
    try:
        process = psutil.Process(int(pid))
        uses = any(str(folder) in word for word in process.cmdline())
        return str(process.name()) if uses and alive(process) else None
    except (ValueError, psutil.Error):
        return None


def _check_writable(folder: Path) -> None:
    """Raises OSError. The lock alone is no proof: its file may have been there before."""
    probe = folder / f".slotgrid-{os.getpid()}"
    probe.write_bytes(b"")
    probe.unlink()
