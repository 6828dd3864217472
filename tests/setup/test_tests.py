"""A test that fails beside others gets one more try, alone, and no more than that."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FLAKY = """
from pathlib import Path

def test_starved_once():
    first = not Path("ran").exists()
    Path("ran").touch()
    assert not first

def test_fine():
    pass
"""


def run(folder: Path, text: str, *arguments: str) -> tuple[int, str]:
    """Exit status and output of the project's test command in a folder with one file of tests."""
    (folder / "test_it.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "scripts.tests", "-q", "test_it.py", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def test_what_passes_alone_is_named_and_passes(tmp_path: Path) -> None:
    status, said = run(tmp_path, FLAKY)
    assert status == 0, said
    assert "passed alone, and depend on the load" in said
    assert "test_it.py::test_starved_once" in said
    assert "test_fine" not in said


def test_a_long_test_gets_its_second_try_too(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text('[pytest]\nmarkers = long\naddopts = -m "not long"\n')
    text = f"import pytest\n{FLAKY}".replace(
        "def test_starved", "@pytest.mark.long\ndef test_starved"
    )
    status, said = run(tmp_path, text, "-m", "long")
    assert status == 0, said
    assert "passed alone, and depend on the load" in said


def test_what_fails_alone_fails(tmp_path: Path) -> None:
    status, said = run(tmp_path, "def test_broken():\n    assert False\n")
    assert status == 1
    assert "test_it.py::test_broken: call failed" in said
    assert "These failed alone too" in said


def test_many_failures_get_no_second_try(tmp_path: Path) -> None:
    each = "@pytest.mark.parametrize('number', range(6))\n"
    broken = f"import pytest\n{each}def test_broken(number):\n    assert False\n"
    status, said = run(tmp_path, broken)
    assert status == 1
    assert "alone" not in said


def test_what_cannot_be_collected_fails(tmp_path: Path) -> None:
    status, said = run(tmp_path, "import nothing_of_that_name\n")
    assert status == 2, said
