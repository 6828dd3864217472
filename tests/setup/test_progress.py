"""One tidy line a step."""

import os
import pty
import sys
from pathlib import Path

import pytest

from scripts.progress import StepFailed, command, failures_told, step


def test_a_step_in_a_log_is_one_line_with_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    with step("packages") as line:
        line.detail = "installing"
        line.detail = "all there"
    shown = capsys.readouterr().out
    assert shown.startswith("✓ packages     all there ")
    assert shown.endswith(" s\n")
    assert shown.count("\n") == 1
    assert "\x1b" not in shown


def test_a_step_that_fails_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StepFailed), step("packages"):
        raise StepFailed("no network")
    assert capsys.readouterr().out.startswith("✗ packages ")


def test_a_step_on_a_terminal_ends_as_one_coloured_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        with step("packages") as line:
            line.detail = "installing"
            # The terminal has seen the step before it ended.
            seen = os.read(ours, 1000).decode()
            line.detail = "all there"
        while "\n" not in seen:
            seen += os.read(ours, 1000).decode()
    os.close(ours)
    assert seen.startswith("\r\x1b[2K\x1b[33m…\x1b[0m packages     installing")
    assert "\r\x1b[2K\x1b[32m✓\x1b[0m packages     all there" in seen


def test_a_command_that_fails_tells_its_last_lines_only() -> None:
    script = "print(*range(100), sep='\\n'); raise SystemExit(3)"
    with pytest.raises(StepFailed) as failed:
        command([sys.executable, "-c", script], remedy="try again")
    said = str(failed.value)
    assert "ended with 3" in said
    assert "    99" in said
    assert "    84" not in said
    assert failed.value.remedy == "try again"


def test_a_command_that_is_not_there_fails_as_a_step(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="nothing-here"):
        command([str(tmp_path / "nothing-here")])


def test_a_failure_ends_the_program_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, failures_told():
        raise StepFailed("No room.", remedy="tidy up")
    assert ended.value.code == 1
    assert capsys.readouterr().err == "\nNo room.\n\nWhat to do: tidy up\n"
