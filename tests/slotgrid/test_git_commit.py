"""The commit of a folder, compared with what Git says."""

import subprocess
from pathlib import Path

from slotgrid.function_files.git_commit import commit_of


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "gc.auto=0")
    ran = subprocess.run(
        ["git", *settings, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


def test_it_is_what_git_says(tmp_path: Path) -> None:
    repository = tmp_path / "a"
    folder = repository / "functions" / "shop"
    folder.mkdir(parents=True)
    assert commit_of(folder) is None
    git(repository, "init", "-q", "-b", "trunk")
    assert commit_of(folder) is None  # nothing is committed yet
    git(repository, "commit", "-q", "--allow-empty", "-m", "one")
    assert commit_of(folder) == git(repository, "rev-parse", "HEAD")
    git(repository, "pack-refs", "--all")
    assert commit_of(folder) == git(repository, "rev-parse", "HEAD")
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    assert commit_of(folder) == git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "-q", "--detach", "HEAD~1")
    assert commit_of(folder) == git(repository, "rev-parse", "HEAD")
    tree = tmp_path / "tree"
    git(repository, "worktree", "add", "-q", "-b", "side", str(tree), "trunk")
    assert commit_of(tree) == git(tree, "rev-parse", "HEAD")
    assert commit_of(tree) != commit_of(folder)
    git(repository, "pack-refs", "--all")
    assert commit_of(tree) == git(tree, "rev-parse", "HEAD")


def test_what_is_no_repository_has_none(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("nonsense")
    assert commit_of(tmp_path) is None
    (tmp_path / ".git").write_text("gitdir: ../nowhere")
    assert commit_of(tmp_path) is None
    (tmp_path / ".git").unlink()
    (tmp_path / ".git").mkdir()
    assert commit_of(tmp_path) is None
    (tmp_path / ".git" / "HEAD").write_text("not a commit")
    assert commit_of(tmp_path) is None
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/none")
    (tmp_path / ".git" / "packed-refs").write_text("# pack-refs\n" + "a" * 40 + " refs/heads/x\n")
    assert commit_of(tmp_path) is None
    assert commit_of(tmp_path / "missing") is None
