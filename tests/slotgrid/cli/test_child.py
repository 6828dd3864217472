"""Processes that are kept alive, without waiting for real seconds."""

import signal
from pathlib import Path

import pytest

from slotgrid.cli.child import Child


@pytest.fixture
def child(tmp_path: Path) -> Child:
    """A process that notes each start and ends at once, unless a file says otherwise."""
    (tmp_path / "short.py").write_text(
        "from pathlib import Path\nPath('starts').open('a').write('x')\nraise SystemExit(5)\n"
    )
    return Child("short", "short", {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)


def test_a_process_that_ends_is_started_again_after_a_pause_that_grows(
    child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("slotgrid.cli.child.time.monotonic", lambda: now)
    said: list[str] = []
    child.start()
    for _ in range(3):
        assert child.wait() == 5
        child.keep_alive(said.append)
        child.keep_alive(said.append)  # not yet
        now += 10.0
        child.keep_alive(said.append)
    assert child.wait() == 5
    assert [line.rpartition("starts again in ")[2] for line in said] == ["1 s", "2 s", "4 s"]
    assert (tmp_path / "starts").read_text() == "xxxx"


def test_a_signal_is_told_as_a_shell_tells_it(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    child = Child("long", "long", {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    child.start()
    assert child.status is None
    child.request_end()
    assert child.wait() == 128 + signal.SIGTERM
