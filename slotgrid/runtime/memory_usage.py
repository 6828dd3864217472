"""Memory in use: of a process tree, and of the machine or container."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil

from slotgrid.runtime.process_tree import tree

MIB = 1024 * 1024


def tree_memory_mb(root: psutil.Process) -> int:
    """MiB that `root` and all its descendants use; 0 when `root` is gone.

    Proportional set size: a page shared by n processes counts 1/n in each, so the sum is correct.
    (Chromium's resident sizes add up to three times its real use.)
    """
    if not root.is_running():
        return 0
    return sum(_pss_bytes(pid) for pid in tree(root.pid)) // MIB


def memory_used_percent(root: Path = Path("/")) -> float:
    """Share of memory in use, 0 to 100: of the machine, or of our cgroup if that is higher.

    `root` is the root of the file system.
    """
    machine = psutil.virtual_memory()
    shares = [100 * (1 - machine.available / machine.total)]
    shares += [100 * used / limit for used, limit in _cgroups(root)]
    return max(shares)


def _pss_bytes(pid: int) -> int:
    # A missing process is normal: it may end between the listing and this read.
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _cgroups(root: Path) -> Iterator[tuple[int, int]]:
    """(used, limit) in bytes of our cgroup v2 and of each above it that has a limit.

    Page cache that the kernel can free without swapping does not count as used.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    own = next((line[3:] for line in lines if line.startswith("0::")), None)
    if own is None:
        return
    top = root / "sys/fs/cgroup"
    group = top / own.lstrip("/")
    while group.is_relative_to(top):
        with contextlib.suppress(OSError, ValueError):
            # "max" is not a number: no limit. Nothing runs under a limit of 0.
            limit = int((group / "memory.max").read_text()) or MIB
            used = int((group / "memory.current").read_text())
            yield max(0, used - _reclaimable(group)), limit
        group = group.parent


def _reclaimable(group: Path) -> int:
    for line in (group / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "inactive_file":
            return int(value)
    return 0
