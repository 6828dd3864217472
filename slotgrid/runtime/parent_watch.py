"""Ends a process together with its parent, however the parent ends."""

import ctypes
import os
import signal
from collections.abc import MutableMapping

OWNER = "SLOTGRID_OWNER"
"""Environment variable with the process id of the parent that a node must not outlive.

Set by `slotgrid up`, `make run` and the Makefile for the process that they start.
"""
_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int, by: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process `by` when its parent dies, even of SIGKILL.

    The kernel watches the thread that started this process: the parent must start it from a thread
    that lives as long as the parent does, such as its main thread.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, by, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the call of `prctl`
        os.kill(os.getpid(), by)


def end_with_owner(environ: MutableMapping[str, str], by: signal.Signals = signal.SIGKILL) -> None:
    """Call `end_with_parent` for the process id in `SLOTGRID_OWNER`; without it, do nothing.

    The variable is removed, so that child processes do not inherit it.
    """
    owner = environ.pop(OWNER, "")
    if owner.isdecimal():
        end_with_parent(int(owner), by)
