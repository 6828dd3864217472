"""A start on a disk without room ends with status 2 and one line that says why."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.environment import KEY, NO_CHROMIUM, clean_environment

SIZE_KB = 2048
PAGE_KB = 4


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KB}k", "none", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here; the test by a limit runs everywhere")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("kind", "free_kb"),
    [("worker", 0), ("balancer", 0), ("worker", 4), ("worker", 160), ("balancer", 96)],
)
def test_a_start_without_room_ends_with_a_reason(disk: Path, kind: str, free_kb: int) -> None:
    # At different places: the folder itself, the tables, what is written once they are there.
    if free_kb:
        (disk / "data").mkdir()
    (disk / "filler").write_bytes(b"x" * 1024 * (SIZE_KB - PAGE_KB - free_kb))
    with (disk / "rest").open("wb", buffering=0) as rest:
        while not free_kb:
            try:
                rest.write(b"x" * 512)
            except OSError:
                break
    said = refused(kind, disk / "data")
    assert "full" in said or "No space left" in said


@pytest.mark.parametrize("kind", ["worker", "balancer"])
@pytest.mark.parametrize("limit", [0, 1024, 4096, 20_000, 65_536])
def test_a_start_that_cannot_write_ends_with_a_reason(
    tmp_path: Path, kind: str, limit: int
) -> None:
    # By a limit on the size of files, which needs no file system of its own.
    home = tmp_path / "home"
    home.mkdir()
    said = refused(kind, home / "data", file_limit=limit)
    assert "cannot be used" in said or "cannot use" in said
    assert str(home / "data") in said


def refused(kind: str, data: Path, *, file_limit: int = resource.RLIM_INFINITY) -> str:
    """The one line with which a start there ends."""
    env = {
        **clean_environment(),
        "AUTH_KEY": KEY,
        "DATA_DIR": str(data),
        "FUNCTIONS_DIR": str(data.parent.parent / "functions"),
        "CHROMIUM_PATH": NO_CHROMIUM,
        "PORT": "0",
    }
    (data.parent.parent / "functions").mkdir()
    program = (
        "import resource, runpy;"
        "_, most = resource.getrlimit(resource.RLIMIT_FSIZE);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({file_limit}, most));"
        f"runpy.run_module({kind!r}, run_name='__main__')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=data.parent.parent,
        env=env,
        text=True,
        capture_output=True,
        timeout=100,
        check=False,
    )
    said = [line for line in ended.stderr.splitlines() if line.startswith(f"{kind}: ")]
    assert ended.returncode == 2, ended.stderr
    assert len(said) == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    return said[0]
