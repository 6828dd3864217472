"""Processes of the operating system: find them, watch for their exit, kill them."""

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
    """The processes whose TMPDIR is `folder` or below it.

    TMPDIR identifies our drivers and browsers, also after their worker has ended. Processes of
    other users are left out, as their environment cannot be read.
    """
    found = []
    for process in psutil.process_iter() if among is None else among:
        with contextlib.suppress(psutil.Error):
            value = process.environ().get("TMPDIR")
            if value and Path(value).is_relative_to(folder) and alive(process):
                found.append(process)
    return found


def alive(process: psutil.Process) -> bool:
    """Whether a process still runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_ending(process: psutil.Process) -> bool:
    """Whether a process has ended or is about to.

    An ending process closes its files first, so the process at the other end of a pipe may end
    before it does.
    """
    try:
        return not alive(process) or process.num_fds() == 0
    except psutil.NoSuchProcess:
        return True


def stopped(process: psutil.Process) -> bool:
    """Whether a signal (SIGSTOP) has stopped a process."""
    try:
        return bool(process.status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def kill(process: psutil.Process) -> None:
    """Send SIGKILL; no effect if the process has ended or its number has been reused."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def leads_a_group(process: psutil.Process) -> bool:
    """Whether a process runs and is the leader of its process group."""
    try:
        return process.is_running() and os.getpgid(process.pid) == process.pid
    except ProcessLookupError:
        return False


def kill_group(leader: psutil.Process) -> None:
    """Send SIGKILL to the process group of `leader`; no effect if it leads none."""
    if leads_a_group(leader):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)


class ExitWatch:
    """Detects at once that a process has ended, also one that is not our child.

    The pidfd becomes readable then: no polling, and no race with the reaper for the exit status.
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
        """Stop watching."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _end(self) -> None:
        self.close()
        if not self.ended.done():
            self.ended.set_result(None)
