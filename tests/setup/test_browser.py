"""Finding a browser, and what is said when there is none."""

from pathlib import Path

import pytest

from scripts.browser import ensure_browser
from scripts.progress import StepFailed
from slotgrid.runtime.settings import Settings


def settings(**environ: str) -> Settings:
    """Settings as the environment gives them."""
    return Settings.from_env(environ)


def program(path: Path, script: str) -> Path:
    """A program at `path` that runs a shell script."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_browser_that_is_there_is_named_with_its_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chromium = program(tmp_path / "chromium", "echo Chromium 156.0.1 built on something")
    ensure_browser(settings(CHROMIUM_PATH=str(chromium)))
    assert "Chromium 156.0.1, CHROMIUM_PATH" in capsys.readouterr().out


def test_a_path_that_is_wrong_is_not_answered_with_an_installation(tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as failed:
        ensure_browser(settings(CHROMIUM_PATH=str(tmp_path / "nothing")))
    assert str(tmp_path / "nothing") in str(failed.value)
    assert "CHROMIUM_PATH" in failed.value.remedy


def test_a_browser_that_lacks_a_library_is_answered_with_how_to_get_it(tmp_path: Path) -> None:
    chromium = program(
        tmp_path / "chromium",
        "echo 'error while loading shared libraries: libnss3.so' >&2; exit 127",
    )
    with pytest.raises(StepFailed) as failed:
        ensure_browser(settings(CHROMIUM_PATH=str(chromium)))
    assert "libnss3.so" in str(failed.value)
    assert "install-deps chromium" in failed.value.remedy
