"""A mounted folder: what is listed can be read, and nothing else, whatever lies in it."""

import os
import socket
import string
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotgrid.mounts import folder_files
from slotgrid.mounts.folder_files import (
    FileRefused,
    FolderMissing,
    NoSuchFile,
    TooManyFiles,
    list_files,
    open_file,
)
from slotgrid.mounts.mounts_file import Mount


def mount(folder: Path, *, recursive: bool = True) -> Mount:
    return Mount(prefix="/files", dir=folder, recursive=recursive)


def names(of: Mount, limit: int = 1000, offset: int = 0) -> list[str]:
    return [entry.path for entry in list_files(of, limit=limit, offset=offset).entries]


def read(of: Mount, path: str) -> bytes:
    with open_file(of, path.split("/")) as file:
        return file.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which there is everything that a folder may have, and a secret beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "secret.txt").write_text("secret")
    folder = tmp_path / "served"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b.txt").write_text("b")
    (folder / "sub" / "deep" / "c.txt").write_text("c")
    (folder / ".env").write_text("secret")
    (folder / ".git" / "config").write_text("secret")
    (folder / "back\\slash.txt").write_text("b")
    (folder / "link.txt").symlink_to("a.txt")
    (folder / "sub" / "link.txt").symlink_to("../a.txt")
    (folder / "out.txt").symlink_to("../secret.txt")
    (folder / "absolute.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "hidden.txt").symlink_to(".env")
    (folder / "outside").symlink_to("../beside")
    (folder / "inside").symlink_to("sub")
    (folder / "circle").symlink_to("circle")
    (folder / "dangling").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    return folder


def test_files_are_listed_by_name_and_nothing_else(folder: Path) -> None:
    everything = ["a.txt", "link.txt", "sub/b.txt", "sub/deep/c.txt", "sub/link.txt"]
    assert names(mount(folder)) == everything
    assert names(mount(folder, recursive=False)) == ["a.txt", "link.txt"]
    assert names(mount(folder), limit=2, offset=1) == ["link.txt", "sub/b.txt"]
    assert names(mount(folder), offset=10) == []
    assert list_files(mount(folder), limit=1, offset=4).total == 5
    (entry, *_) = list_files(mount(folder), limit=1, offset=0).entries
    assert (entry.size, entry.modified_at) == (1, (folder / "a.txt").stat().st_mtime)


def test_all_that_is_listed_can_be_read(folder: Path) -> None:
    for path in names(mount(folder)):
        assert read(mount(folder), path) == (folder / path).read_bytes()
    assert read(mount(folder), "inside/b.txt") == b"b"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../secret.txt", "the path would leave the folder"),
        ("sub/../../secret.txt", "the path would leave the folder"),
        ("sub/../a.txt", "the path would leave the folder"),
        ("./a.txt", "the path would leave the folder"),
        ("..", "the path would leave the folder"),
        ("..\\secret.txt", "the path would leave the folder"),
        ("a.txt\0.png", "the path would leave the folder"),
        ("out.txt", "a link leads out of the folder"),
        ("absolute.txt", "a link leads out of the folder"),
        ("outside/secret.txt", "a link leads out of the folder"),
        ("pipe", "this is no regular file"),
        ("socket", "this is no regular file"),
    ],
)
def test_no_path_leads_out_or_to_a_device(folder: Path, path: str, reason: str) -> None:
    with pytest.raises(FileRefused, match=f"^{reason}$"):
        read(mount(folder), path)


@pytest.mark.parametrize(
    "path",
    [
        *(".env", ".git/config", "hidden.txt", "sub", "sub/", "", "/etc/passwd", "A.TXT"),
        *("a.txt/", "a.txt/b", "circle", "dangling", "nowhere", "x" * 300, "%2e%2e", "sub//b.txt"),
    ],
)
def test_what_is_hidden_or_missing_is_not_there(folder: Path, path: str) -> None:
    with pytest.raises(NoSuchFile):
        read(mount(folder), path)


def test_a_mount_that_is_not_recursive_has_no_subfolders(folder: Path) -> None:
    assert read(mount(folder, recursive=False), "a.txt") == b"a"
    with pytest.raises(NoSuchFile):
        read(mount(folder, recursive=False), "sub/b.txt")


def test_a_slash_within_a_part_leaves_the_folder(folder: Path) -> None:
    with pytest.raises(FileRefused):
        open_file(mount(folder), ["../secret.txt"])
    with pytest.raises(FileRefused):
        open_file(mount(folder), ["sub/b.txt"])


def test_a_link_that_is_put_in_place_meanwhile_does_not_lead_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = os.open

    def late(path: Path, flags: int) -> int:
        (folder / "sub").rename(folder / "before")
        (folder / "sub").symlink_to("../beside")
        return real_open(str(path).replace("b.txt", "secret.txt"), flags)

    monkeypatch.setattr("slotgrid.mounts.folder_files.os.open", late)
    with pytest.raises(FileRefused, match=r"^a link leads out of the folder$"):
        open_file(mount(folder), ["sub", "b.txt"])


def test_a_folder_that_is_a_link_is_served(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("served")
    assert read(mount(tmp_path / "current"), "sub/b.txt") == b"b"


def test_a_missing_folder_says_so_and_heals(folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "away")
    for use in (lambda: names(mount(folder)), lambda: read(mount(folder), "a.txt")):
        with pytest.raises(FolderMissing, match="No such file or directory"):
            use()
    folder.write_text("no folder")
    with pytest.raises(FolderMissing, match="Not a directory"):
        names(mount(folder))
    folder.unlink()
    (tmp_path / "away").rename(folder)
    assert read(mount(folder), "a.txt") == b"a"


def test_large_folders_are_listed_in_order_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_files, "SORTED_AT_ONCE", 7)
    for number in range(100):
        (tmp_path / f"{number:03}.txt").touch()
    everything = names(mount(tmp_path))
    assert everything == sorted(everything)
    assert len(everything) == 100
    monkeypatch.setattr(folder_files, "FILES_MOST", 99)
    with pytest.raises(TooManyFiles):
        names(mount(tmp_path))


NAMES = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.text(min_size=1, max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text(string.punctuation + " ab", min_size=1, max_size=8).map(str.encode),
)


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_every_name_is_served_or_left_out(given_names: list[bytes]) -> None:
    with TemporaryDirectory() as base:
        folder = Path(base) / "served"
        folder.mkdir()
        for name in given_names:
            if b"\0" not in name and b"/" not in name and name not in {b".", b".."}:
                (folder / os.fsdecode(name)).write_bytes(name)
        for path in names(mount(folder)):
            assert read(mount(folder), path) == os.fsencode(path)
        shown = {os.fsencode(path) for path in names(mount(folder))}
        left = {os.fsencode(path.name) for path in folder.iterdir()} - shown
        assert all(name.startswith(b".") or b"\\" in name for name in left)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_no_text_at_all_reads_a_file_outside(parts: list[str]) -> None:
    with TemporaryDirectory() as base:
        folder = Path(base) / "served"
        folder.mkdir()
        (Path(base) / "secret").write_text("secret")
        for path in (parts, [*parts, "..", "secret"], ["..", *parts], ["/".join(parts)]):
            try:
                file = open_file(mount(folder), path)
            except (FileRefused, NoSuchFile):
                continue
            file.close()
            raise AssertionError(path)
