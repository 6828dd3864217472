"""Measuring memory."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from slotgrid.runtime.memory_usage import MIB, memory_used_percent, tree_memory_mb
from slotgrid.runtime.process_tree import children, tree

HOLD = "held = bytearray({} * 1024 * 1024); print('held', flush=True); input()"


def _hold(mb: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(mb)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_tree_holds_what_its_processes_hold() -> None:
    before = tree_memory_mb(psutil.Process())
    with _hold(100) as child:
        assert tree_memory_mb(psutil.Process(child.pid)) in range(100, 130)
        assert tree_memory_mb(psutil.Process()) >= before + 90
        child.communicate(b"\n")


def test_hidden_processes_of_others_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden() -> dict[int, int]:  # as psutil does where one process cannot be read
        raise psutil.AccessDenied(1)

    monkeypatch.setattr("psutil._pslinux.ppid_map", hidden)
    monkeypatch.setattr("psutil._ppid_map", hidden)
    with _hold(20) as child:
        assert child.pid in children(os.getpid())
        assert tree_memory_mb(psutil.Process(child.pid)) >= 20
        child.communicate(b"\n")
    for pid, stat in {7: b"7 (a) b) S 1 7", 8: b"8 (c) S 7 7", 9: None}.items():
        (tmp_path / str(pid)).mkdir()
        if stat is not None:
            (tmp_path / str(pid) / "stat").write_bytes(stat)
    assert tree(1, tmp_path) == [1, 7, 8]


def test_a_process_that_is_gone_holds_nothing() -> None:
    with _hold(1) as child:
        process = psutil.Process(child.pid)
        child.communicate(b"\n")
    assert tree_memory_mb(process) == 0


def _cgroup(root: Path, name: str, *, limit_mb: int | None, used_mb: int, cache_mb: int) -> None:
    folder = root / "sys/fs/cgroup" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text("max" if limit_mb is None else str(limit_mb * MIB))
    (folder / "memory.current").write_text(f"{used_mb * MIB}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cache_mb * MIB}\n")


def _belongs_to(root: Path, line: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(line)


def test_the_machines_memory_counts_where_no_cgroup_limits_us(tmp_path: Path) -> None:
    assert 0 < memory_used_percent(tmp_path) < 100
    _belongs_to(tmp_path, "0::/app\n")
    _cgroup(tmp_path, "app", limit_mb=None, used_mb=10**9, cache_mb=0)
    assert memory_used_percent(tmp_path) < 100


@pytest.mark.parametrize("limited", ["app", "app/worker"])
def test_a_cgroup_that_is_fuller_counts_without_its_cache(tmp_path: Path, limited: str) -> None:
    _belongs_to(tmp_path, "1:cpu:/\n0::/app/worker\n")
    _cgroup(tmp_path, limited, limit_mb=1000, used_mb=1490, cache_mb=500)
    assert memory_used_percent(tmp_path) == pytest.approx(99)


def test_the_real_machine_can_be_asked() -> None:
    assert 0 < memory_used_percent() < 100
