"""The virtual environment: made, filled, and left alone when nothing has changed."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.progress import StepFailed
from scripts.setup import BUILD_LOCK, Environment, prepare
from tests.setup.project import empty_locks, tiny_project


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The environment of a tiny project whose locks ask for nothing."""
    return tiny_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(autouse=True)
def offline(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """No index to ask, and the locks as they were."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    empty_locks(environment.root)


def test_what_was_set_up_is_not_set_up_again(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(environment, "runtime")
    assert list(environment.path.glob("lib/*/site-packages/tiny_marker.py"))
    assert environment.holds("runtime")
    assert not environment.holds("dev")
    capsys.readouterr()
    prepare(environment, "runtime")
    assert "nothing to do" in capsys.readouterr().out


def test_the_development_set_up_holds_what_a_node_needs(environment: Environment) -> None:
    environment.install("dev")
    assert environment.holds("runtime")


def test_a_changed_file_asks_for_a_new_set_up(environment: Environment) -> None:
    environment.install("runtime")
    for changed in ("requirements.lock", BUILD_LOCK, "pyproject.toml"):
        file = environment.root / changed
        before = file.read_text()
        file.write_text(before + "# changed\n")
        assert not environment.holds("runtime"), changed
        file.write_text(before)
        assert environment.holds("runtime"), changed


def test_an_installation_that_fails_does_not_look_finished(environment: Environment) -> None:
    environment.install("dev")
    lock = environment.root / "requirements.lock"
    lock.write_text(f"missing==1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(StepFailed) as failed:
        environment.install("runtime")
    assert "missing==1" in str(failed.value)
    assert "PIP_INDEX_URL" in failed.value.remedy
    lock.write_text("# nothing\n")
    assert not environment.holds("runtime")
    assert not environment.holds("dev")


def test_a_requirement_without_a_hash_is_refused(environment: Environment) -> None:
    (environment.root / "requirements.lock").write_text("missing==1\n")
    with pytest.raises(StepFailed, match="--require-hashes"):
        environment.install("runtime")


def test_an_environment_without_a_python_that_runs_is_no_environment(tmp_path: Path) -> None:
    broken = Environment(tmp_path)
    assert broken.version() is None
    broken.python.parent.mkdir(parents=True)
    broken.python.symlink_to("/nothing/here")
    assert broken.version() is None


def test_an_environment_whose_making_was_cut_short_is_made_anew(tmp_path: Path) -> None:
    cut_short = Environment(tmp_path)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", cut_short.path], check=True)
    assert cut_short.version() is None
    cut_short.create()
    assert cut_short.version() == platform.python_version()
