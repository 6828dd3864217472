"""Fonts at set-up: installed where that is possible, and named where it is not."""

from pathlib import Path

import pytest

from scripts import debian, fonts
from scripts.progress import StepFailed
from worker.browser.fonts import PACKAGES


@pytest.fixture
def no_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing can be drawn."""
    empty = tmp_path / "fonts.conf"
    empty.write_text(f"<fontconfig><dir>{tmp_path}</dir></fontconfig>")
    monkeypatch.setenv("FONTCONFIG_FILE", str(empty))
    monkeypatch.setattr(debian, "installed", lambda *_: False)
    monkeypatch.setattr(debian, "this_distribution", lambda: "debian")


def test_nothing_is_drawn_where_all_packages_are_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(debian, "installed", lambda *names: names == PACKAGES)
    monkeypatch.setattr(fonts, "undrawn_scripts", lambda: pytest.fail("a browser was started"))
    fonts.ensure_fonts()
    assert "for all scripts" in capsys.readouterr().out


@pytest.mark.usefixtures("no_fonts")
def test_scripts_without_fonts_are_named_where_nothing_can_be_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(debian, "can_install", lambda: False)
    fonts.ensure_fonts()
    said = capsys.readouterr().out
    assert "none for Latin, Greek, Cyrillic and 24 more, see `slotgrid check`" in said


@pytest.mark.usefixtures("no_fonts")
@pytest.mark.parametrize("works", [True, False])
def test_fonts_are_installed_by_who_may(
    works: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def install(*packages: str) -> None:
        asked.extend(packages)
        if not works:
            raise StepFailed("no network")
        monkeypatch.setattr(fonts, "undrawn_scripts", list)

    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr(debian, "install", install)
    fonts.ensure_fonts()
    assert asked == list(PACKAGES)
    assert ("for all scripts" in capsys.readouterr().out) is works


def test_dpkg_is_asked_for_what_is_installed() -> None:
    assert not debian.installed("fonts-liberation", "no-such-package-anywhere")
