"""`make run`, from the moment that the packages are there: what it prints works."""

import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.harness.processes.home import ROOT, Home

START = ("-m", "scripts.run")
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def project(home: Home) -> Home:
    """A home that looks like a fresh clone; the packages are those of this environment."""
    shutil.copytree(ROOT / "scripts", home.root / "scripts")
    shutil.copy(ROOT / ".env.example", home.root)
    home.env = {name: value for name, value in home.env.items() if name != "AUTH_KEY"}
    # All fonts are there: a test installs nothing on its machine.
    query = home.root / "bin" / "dpkg-query"
    query.parent.mkdir()
    query.write_text("#!/bin/sh\necho installed\n")
    query.chmod(0o755)
    home.env["PATH"] = f"{query.parent}{os.pathsep}{home.env['PATH']}"
    home.list_workers(2)
    return home


def first_task(said: str) -> str:
    """The command that the welcome asks to paste."""
    found = re.search(r"^    curl .+?\n\n", said, re.MULTILINE | re.DOTALL)
    assert found is not None, said
    return found[0]


def pasted(command: str, folder: Path) -> str:
    """What a shell in another folder answers to a pasted command."""
    ran = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True
    )
    return ran.stdout


def test_the_first_start_makes_a_key_and_prints_a_task_that_can_be_pasted(
    project: Home, tmp_path: Path
) -> None:
    keys, ports = [], sorted(project.list_workers(2))
    for start in ("the first", "the second"):
        run = project.python(*START)
        run.until_ready("Ctrl-C finishes what is running")
        env = project.root / ".env"
        assert env.stat().st_mode & 0o077 == 0
        keys += re.findall(r"^AUTH_KEY=(.{32,})$", env.read_text(), re.MULTILINE)
        assert "Hello, world!" in pasted(first_task(run.said), tmp_path), start
        assert sorted(line["port"] for line in run.events("worker.listening")) == ports
        assert keys[0] not in run.said
        run.send(signal.SIGINT)
        assert run.wait() == 0, run.said
        project.assert_nothing_left()
    assert keys[0] == keys[1]


def test_a_taken_port_is_told_with_what_to_do(project: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = project.python(*START, PORT=str(port))
        assert run.wait() == 2
    assert f"Port {port} is taken by " in run.said
    assert f"PORT={port + 1} make run" in run.said
    assert run.log == []
    project.assert_nothing_left()


def test_a_worker_whose_port_is_taken_is_told_by_its_entry_before_any_browser(
    project: Home,
) -> None:
    _, port = project.list_workers(2)
    with socket.create_server(("127.0.0.1", port)):
        run = project.python(*START)
        assert run.wait() == 2
    assert f"entry 2 of workers.json, http://127.0.0.1:{port}: Address already in use" in run.said
    assert "give the entry another port" in run.said
    assert "browser" not in run.said
    assert "Traceback" not in run.said
    assert run.log == []
    project.assert_nothing_left()


def test_a_setting_that_cannot_be_is_told_before_anything_starts(project: Home) -> None:
    run = project.python(*START, HOST="0.0.0.0", AUTH_KEY="secret")
    assert run.wait() == 2
    assert "HOST=0.0.0.0 can be reached from other machines and the key is short" in run.said
    assert run.log == []
    project.assert_nothing_left()
