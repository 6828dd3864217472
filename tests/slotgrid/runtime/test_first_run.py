import errno
import os
import stat
from pathlib import Path

import pytest

from slotgrid.runtime.env_example import env_example
from slotgrid.runtime.env_file import load_settings
from slotgrid.runtime.first_run import ensure_env, ensure_key
from slotgrid.runtime.setting_aliases import NodeKind
from slotgrid.runtime.settings import Settings, SettingsError


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / ".env.example"
    path.write_text(env_example())
    return path


def test_the_first_run_writes_a_key_that_even_a_public_bind_accepts(
    tmp_path: Path, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUTH_KEY", raising=False)
    assert ensure_env(tmp_path / ".env", example)
    key = load_settings(tmp_path / ".env").auth_key
    assert len(key) >= 40
    assert Settings.from_env({"HOST": "0.0.0.0", "AUTH_KEY": key}).is_public


def test_only_its_owner_can_read_it(tmp_path: Path, example: Path) -> None:
    ensure_env(tmp_path / ".env", example)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_a_file_that_is_there_is_never_touched(tmp_path: Path, example: Path) -> None:
    (tmp_path / ".env").write_text("AUTH_KEY=mine\n")
    assert not ensure_env(tmp_path / ".env", example)
    assert (tmp_path / ".env").read_text() == "AUTH_KEY=mine\n"
    assert {path.name for path in tmp_path.iterdir()} == {".env", ".env.example"}


def test_two_first_runs_make_two_keys(tmp_path: Path, example: Path) -> None:
    ensure_env(tmp_path / "one", example)
    ensure_env(tmp_path / "two", example)
    assert (tmp_path / "one").read_text() != (tmp_path / "two").read_text()


def test_an_example_without_the_key_is_refused(tmp_path: Path) -> None:
    example = tmp_path / "example"
    example.write_text("SLOTS=1\n")
    with pytest.raises(ValueError, match="AUTH_KEY"):
        ensure_env(tmp_path / ".env", example)
    assert not (tmp_path / ".env").exists()


def test_a_clone_gets_its_key_once_and_only_if_the_node_has_none(
    tmp_path: Path, example: Path
) -> None:
    for environ, kind in (
        ({"AUTH_KEY": "given"}, NodeKind.WORKER),
        ({"LB_AUTH_KEY": "given"}, NodeKind.BALANCER),
    ):
        assert not ensure_key(tmp_path, environ, kind)
        assert not (tmp_path / ".env").exists()
    assert ensure_key(tmp_path, {"LB_AUTH_KEY": "of the link"}, NodeKind.WORKER)
    assert not ensure_key(tmp_path, {}, NodeKind.WORKER)
    example.unlink()
    (tmp_path / ".env").unlink()
    assert not ensure_key(tmp_path, {}, NodeKind.WORKER)


def test_half_a_file_is_not_left_behind(
    tmp_path: Path, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("slotgrid.runtime.first_run.os.fdopen", full)
    with pytest.raises(SettingsError, match=r"\.env cannot be written with one: No space left"):
        ensure_key(tmp_path, {}, NodeKind.WORKER)
    assert not (tmp_path / ".env").exists()
