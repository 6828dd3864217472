"""Processes of the operating system: are they there, tell when they end, end them."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import psutil


def processes_of(
    folder: Path, among: Iterable[psutil.Process] | None = None
) -> list[psutil.Process]:
    """The processes whose TMPDIR is `folder` or below it: that is how drivers and browsers are
    known to be ours, also after the worker that started them is gone.

    Those of other users are left out, as their environment cannot be read.
    """
    found = []
    for process in psutil.process_iter() if among is None else among:
        with contextlib.suppress(psutil.Error):
            value = process.environ().get("TMPDIR")
            if value and Path(value).is_relative_to(folder) and alive(process):
                found.append(process)
    return found


def alive(process: psutil.Process) -> bool:
    """Whether it still runs. A zombie does not: it only waits for its parent to look."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_ending(process: psutil.Process) -> bool:
    """Whether it has ended or is about to: an ending process gives its files back first, so
    whoever was at the other end of a pipe may be gone before it is.
    """
    try:
        return not alive(process) or process.num_fds() == 0
    except psutil.NoSuchProcess:
        return True


def stopped(process: psutil.Process) -> bool:
    """Whether it stands still by a signal (SIGSTOP)."""
    try:
        return bool(process.status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def kill(process: psutil.Process) -> None:
    """SIGKILL; nothing happens when it is gone or its number belongs to another by now."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def leads_a_group(process: psutil.Process) -> bool:
    """Whether it is there, and the leader of its process group."""
    try:
        return process.is_running() and os.getpgid(process.pid) == process.pid
    except ProcessLookupError:
        return False


def kill_group(leader: psutil.Process) -> None:
    """SIGKILL to the whole process group that `leader` leads; nothing when it leads none."""
    if leads_a_group(leader):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)


class ExitWatch:
    """Tells at once when a process has ended, whoever its parent is.

    A pidfd becomes readable then: no polling, and no race for the exit status with whoever reaps.
    `ended` resolves with None.
    """

    def __init__(self, process: psutil.Process) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        try:
            self._fd = os.pidfd_open(process.pid)
        except ProcessLookupError:
            self._fd = -1
            self.ended.set_result(None)
            return
        self._loop.add_reader(self._fd, self._end)

    def close(self) -> None:
        """Stops watching."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _end(self) -> None:
        self.close()
        if not self.ended.done():
            self.ended.set_result(None)
