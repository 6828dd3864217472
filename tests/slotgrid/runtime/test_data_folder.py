import subprocess
import sys
from pathlib import Path

import pytest

from slotgrid.runtime.data_folder import DataFolderTaken, data_folder
from slotgrid.runtime.start_fault import StartFault

HOLDER = """
import sys
from pathlib import Path
from slotgrid.runtime.data_folder import data_folder
with data_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_one_nodes_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    with (
        data_folder(folder),
        pytest.raises(DataFolderTaken, match="DATA_DIR of its own"),
        data_folder(folder),
    ):
        pass
    with data_folder(folder):
        pass


def test_a_file_in_its_place_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = r"file cannot be used: File exists; make it a folder .+ or set DATA_DIR"
    with pytest.raises(StartFault, match=told), data_folder(tmp_path / "file"):
        pass


def test_the_folder_of_a_node_that_was_killed_is_free(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DataFolderTaken), data_folder(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with data_folder(tmp_path):
            pass
