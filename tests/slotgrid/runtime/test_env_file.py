"""`.env`: however it was written, and when it cannot be read."""

import os
from pathlib import Path

import pytest

from slotgrid.runtime.env_file import environment, load_settings, written
from slotgrid.runtime.settings import TABLE, SettingsError

KEY = "pL8x-Qm2v_Zt7RwYb3Nc"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in TABLE.values():
        monkeypatch.delenv(row.env, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('SLOTS=3\nGROUP=from-file\nAUTH_KEY="a$HOME$b"\n')
    monkeypatch.setenv("SLOTS", "4")
    settings = load_settings(file)
    assert (settings.slots, settings.group) == (4, "from-file")
    assert settings.auth_key == "a$HOME$b"


@pytest.mark.parametrize(
    "line",
    [
        f"AUTH_KEY={KEY}",
        f'AUTH_KEY="{KEY}"',
        f"AUTH_KEY='{KEY}'",
        f"export AUTH_KEY={KEY}",
        f"AUTH_KEY={KEY} # of the night jobs",
        f'export AUTH_KEY="{KEY}"  # of the night jobs',
        f"AUTH_KEY = {KEY}",
        f"AUTH_KEY={KEY}\t",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_key_is_read_however_its_line_is_written(
    file: Path, line: str, end: str, start: bytes
) -> None:
    file.write_bytes(start + line.encode() + end.encode())
    settings = load_settings(file)
    assert settings.auth_key == KEY
    assert settings.notices == ()


def test_a_file_that_does_not_exist_sets_nothing(file: Path) -> None:
    assert written(file) == {}
    assert environment(file) == dict(os.environ)


def test_a_byte_that_is_not_utf8_is_told_with_its_line_and_without_the_key(file: Path) -> None:
    file.write_bytes(f"AUTH_KEY={KEY}\nGROUP=\xe9t\xe9\n".encode("latin-1"))
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    (problem,) = caught.value.problems
    assert problem == f"{file}, line 2: a byte that is not UTF-8; save the file as UTF-8"
    assert caught.value.__cause__ is None


def test_a_file_of_windows_in_utf16_is_told(file: Path) -> None:
    file.write_text("AUTH_KEY=k\n", encoding="utf-16")
    with pytest.raises(SettingsError, match="line 1: a byte that is not UTF-8"):
        load_settings(file)


def test_a_folder_in_place_of_the_file_is_told(file: Path) -> None:
    file.mkdir()
    with pytest.raises(SettingsError, match=r"\.env cannot be read: Is a directory; make it"):
        load_settings(file)


def test_a_setting_that_nobody_knows_is_told_with_the_nearest_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(f"SLOT=3\nQUEUE_SIZE=5\nSLOTGRID_GROUP=a\nSHOP_PASSWORD={KEY}\n")
    monkeypatch.setenv("AUTHKEY", KEY)
    assert load_settings(file).notices == (
        "AUTHKEY in the environment is no setting of Slotgrid; did you mean AUTH_KEY?",
        "QUEUE_SIZE in .env is no setting of Slotgrid; did you mean QUEUE_LIMIT?",
        "SLOT in .env is no setting of Slotgrid; did you mean SLOTS?",
        "SLOTGRID_GROUP in .env is no setting of Slotgrid; did you mean GROUP?",
    )


def test_what_other_programs_have_in_the_environment_is_left_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        *("HOSTNAME", "LOGNAME", "MAIL", "LANG", "TERM", "DISPLAY", "SHELL", "TMPDIR", "GROUPS_"),
        *("TOKEN", "TIMEOUT", "KUBERNETES_PORT", "SLOTGRID_PORT", "SLOTGRID_SERVICE_HOST"),
        *("BALANCER_PORT", "WORKER_PORT", "AWS_ACCESS_KEY_ID", "PYTHONPATH", "NODE_OPTIONS"),
        *("API_KEY", "DATA", "LOG", "HTTP_PROXY", "NODE_ENV", "PATH", "HOME", "USER", "CI"),
    ):
        monkeypatch.setenv(name, "x")
    assert load_settings(file).notices == ()
