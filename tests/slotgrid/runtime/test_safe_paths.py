"""Names that somebody else chose never lead out of their folder."""

from pathlib import Path

import pytest

from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.records.artifacts import ArtifactStore
from slotgrid.records.shared_files import SharedFolder
from slotgrid.runtime.safe_paths import OutsideFolder, inside
from tests.slotgrid.core.fakes import PLAIN

BAD = ["", ".", "..", "../x", "/tmp/x", "a/b", "a\\b", "a\0b", "..\\x"]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_leads_elsewhere_gives_no_path(tmp_path: Path, name: str) -> None:
    for names in ((name,), ("folder", name), (name, "file")):
        with pytest.raises(OutsideFolder, match="plain name"):
            inside(tmp_path, *names)


@pytest.mark.parametrize("name", ["a", "a b.txt", "...", "ü", ".hidden", "~", "C:"])
def test_a_plain_name_gives_a_path_in_the_folder(tmp_path: Path, name: str) -> None:
    assert inside(tmp_path, "of", name) == tmp_path / "of" / name


@pytest.mark.parametrize("name", BAD)
async def test_files_of_tasks_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "x"
    outside.mkdir()
    (outside / "file.txt").write_text("precious")
    folder = tmp_path / "artifacts"
    store = ArtifactStore(folder)
    store.shared = SharedFolder(tmp_path / "shared")
    task = Task(Submission(function=PLAIN.name), PLAIN, owner="somebody", input={}, id=name)

    with pytest.raises(OutsideFolder):
        await store.save(task, "file.txt", "overwritten")
    with pytest.raises(OutsideFolder):
        store.new_path(task, "file.txt")
    with pytest.raises(OutsideFolder):
        await store.open(name, "file.txt")
    with pytest.raises(OutsideFolder):
        await store.open("task", name)
    with pytest.raises(OutsideFolder):
        await store.remove_ids([name])
    with pytest.raises(OutsideFolder):
        await store.shared.remove([name])
    with pytest.raises(OutsideFolder):
        await store.shared.put(name, "file.txt", outside / "file.txt")
    assert (outside / "file.txt").read_text() == "precious"
    assert not folder.exists()
