import json
import subprocess
import sys
from pathlib import Path

import pytest

# Stands in for the worker package: what a folder has comes before what is installed.
SHOWS_ITSELF = """
import json, os, sys
names = ("HOST", "PORT", "SLOTS", "FUNCTIONS_DIR", "LOG_LEVEL", "AUTH_KEY")
print(json.dumps({"pid": os.getpid(), "words": sys.argv[1:],
                  "env": {name: os.environ.get(name) for name in names}}))
raise SystemExit(7)
"""


def _worker(folder: Path, code: str) -> None:
    (folder / "worker").mkdir()
    (folder / "worker" / "__init__.py").touch()
    (folder / "worker" / "__main__.py").write_text(code)


def _slotgrid(folder: Path, *words: str, **env: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "slotgrid.cli", *words],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _report(ok: bool) -> str:
    checks = [
        {"name": "settings", "ok": True, "detail": "read from .env", "advice": None},
        {
            "name": "chromium",
            "ok": ok,
            "detail": "version 156",
            "advice": None if ok else "Get it.",
        },
    ]
    report = json.dumps({"ok": ok, "checks": checks})
    return (
        f"import sys; assert sys.argv[1:] == ['--check']; print('''{report}'''); sys.exit({not ok})"
    )


def test_the_command_becomes_the_worker_with_its_options_as_settings(tmp_path: Path) -> None:
    _worker(tmp_path, SHOWS_ITSELF)
    words = ("worker", "--port", "0", "--slots", "3", "--functions", "mine")
    started = _slotgrid(tmp_path, *words, SLOTS="9", AUTH_KEY="kept")
    stdout, stderr = started.communicate(timeout=60)
    assert started.returncode == 7, stderr
    shown = json.loads(stdout)
    assert shown["pid"] == started.pid  # so that signals reach the worker itself
    assert shown["words"] == []
    assert shown["env"] == {
        "HOST": None,
        "PORT": "0",
        "SLOTS": "3",
        "FUNCTIONS_DIR": "mine",
        "LOG_LEVEL": None,
        "AUTH_KEY": "kept",
    }


@pytest.mark.parametrize("ok", [True, False])
def test_the_check_is_shown_line_by_line_with_what_to_do(tmp_path: Path, ok: bool) -> None:
    _worker(tmp_path, _report(ok))
    ran = _slotgrid(tmp_path, "check")
    stdout, stderr = ran.communicate(timeout=60)
    assert ran.returncode == (0 if ok else 1), stderr
    lines = stdout.splitlines()
    assert lines[0] == "✓ settings  read from .env"
    if ok:
        assert lines[1] == "✓ chromium  version 156"
        assert lines[-1].startswith("All checks passed.")
    else:
        assert lines[1:3] == ["✗ chromium  version 156", "            → Get it."]
        assert lines[-1] == "1 of 2 checks found a fault."


def test_the_check_as_json_is_what_the_worker_said(tmp_path: Path) -> None:
    _worker(tmp_path, _report(False))
    ran = _slotgrid(tmp_path, "check", "--json")
    stdout, _ = ran.communicate(timeout=60)
    assert ran.returncode == 1
    assert [one["name"] for one in json.loads(stdout)["checks"]] == ["settings", "chromium"]


@pytest.mark.parametrize("code", ["raise ValueError('out of paper')", "print('[]')", "print(1)"])
def test_a_check_that_could_not_look_says_why(tmp_path: Path, code: str) -> None:
    _worker(tmp_path, code)
    ran = _slotgrid(tmp_path, "check")
    stdout, stderr = ran.communicate(timeout=60)
    assert ran.returncode == 1
    assert stdout == ""
    assert stderr.startswith("✗ The check itself failed with status ")
    assert "ValueError: out of paper" in stderr or "print" in code
