"""What is read as a file, and that nothing else holds up its reader."""

import os
from pathlib import Path

import pytest

from balancer.fleet.inventory import Inventory
from slotgrid.mounts.mounts import Mounts
from slotgrid.runtime.regular_file import MOST, read_regular_file
from slotgrid.runtime.settings import Settings, SettingsError
from worker.pools.pools import Pools
from worker.secrets.declared_secrets import DeclaredSecrets


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_is_read_through_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    assert read_regular_file(tmp_path / "link") == b"text"


@pytest.mark.parametrize("path", ["pipe", "folder", "/dev/zero"])
def test_anything_else_is_refused_at_once_and_left_closed(tmp_path: Path, path: str) -> None:
    a_pipe(tmp_path)
    (tmp_path / "folder").mkdir()
    before = open_files()
    with pytest.raises(OSError, match="no regular file"):
        read_regular_file(tmp_path / path)
    assert open_files() == before


def test_a_file_without_measure_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate(MOST + 1)
    with pytest.raises(OSError, match="more than 16,777,216 bytes"):
        read_regular_file(tmp_path / "large")


async def test_the_files_of_a_node_may_be_replaced_by_a_pipe(tmp_path: Path) -> None:
    pipe = a_pipe(tmp_path)
    mounts = Mounts(pipe, variables={}, data_dir=tmp_path)
    assert not mounts.look()
    assert "no regular file" in str(mounts.fault)
    inventory = Inventory(pipe)
    assert not inventory.look()
    assert "no regular file" in str(inventory.fault)
    secrets = DeclaredSecrets({}, pipe)
    await secrets.look()
    assert "no regular file" in secrets.file_fault
    settings = Settings.from_env({"POOLS_FILE": str(pipe)})
    with pytest.raises(SettingsError, match="no regular file"):
        Pools.of(settings, secrets)
