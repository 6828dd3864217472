"""The gate on coverage: what sinks below its figure fails, processes of the tests are counted."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.setup.paths import ROOT

CODE = """
def sign(number):
    if number < 0:
        return -1
    return 1
"""
TEST = """
import subprocess
import sys

def test_here():
    from slotgrid.core.signs import sign
    assert sign(1) == 1

def test_in_a_process():
    code = "from slotgrid.core.signs import sign; sign({number})"
    subprocess.run([sys.executable, "-c", code], check=True)
"""


def gated(folder: Path, *, number: int, fail_under: int) -> tuple[int, str]:
    """Status and output of a gated run; `number` is what the tests' process calls `sign` with."""
    core = folder / "slotgrid" / "core"
    core.mkdir(parents=True)
    for package in (core.parent, core):
        (package / "__init__.py").touch()
    (core / "signs.py").write_text(CODE)
    (core.parent / "never_run.py").write_text("a = 1\nb = 2\n")
    (folder / "test_it.py").write_text(TEST.format(number=number))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    settings = {**project["tool"]["coverage"]["run"], "source_pkgs": ["slotgrid"]}
    settings.pop("source_dirs")  # folders of the project, which is not measured here
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    report = ["[tool.coverage.report]", f"fail_under = {fail_under}"]
    (folder / "pyproject.toml").write_text("\n".join(["[tool.coverage.run]", *lines, *report]))
    done = subprocess.run(
        [sys.executable, "-m", "scripts.tests", "--gate", "-q", "test_it.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("number", "fail_under", "status"),
    [
        pytest.param(-1, 10, 0, id="every figure is met"),
        pytest.param(1, 10, 2, id="a branch of the core is not reached"),
        pytest.param(-1, 99, 2, id="the rest is not reached"),
    ],
)
def test_a_run_is_held_to_its_figures(
    tmp_path: Path, number: int, fail_under: int, status: int
) -> None:
    ended, said = gated(tmp_path, number=number, fail_under=fail_under)
    assert "2 passed" in said
    assert ended == status, said
    assert ("Coverage failure" in said) == bool(status)
