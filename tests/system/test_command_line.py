"""`slotgrid` against a real worker, from its start to its end."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, cast

import pytest

from tests.harness.processes.home import Home
from tests.harness.processes.worker import RunningWorker, running_worker

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def worker(home: Home) -> Iterator[RunningWorker]:
    """A worker that `slotgrid worker` started; a test drains it."""
    command = ("-m", "slotgrid.cli", "worker", "--slots", "1", "--functions", str(home.functions))
    with running_worker(home, *command, ends=True) as worker:
        yield worker


def result(ran: CompletedProcess[str]) -> object:
    """What a call printed, which must be JSON and nothing else."""
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_worker_is_started_used_and_drained_by_the_command_line(
    worker: RunningWorker, tmp_path: Path
) -> None:
    slotgrid, at = worker.home.slotgrid, {"SLOTGRID_URL": worker.url}

    listed = slotgrid("functions", "--json", **at)
    assert "page_title" in [one["name"] for one in json.loads(listed.stdout)]
    shown = slotgrid("functions", "screenshot", **at)
    assert "Take a picture of a page" in shown.stdout

    assert result(slotgrid("call", "hello", "name=Ada", **at)) == {"message": "Hello, Ada!"}
    streamed = slotgrid("call", "hello", "name=Ada", "--mode", "stream", **at)
    assert result(streamed) == {"message": "Hello, Ada!"}
    assert "Hello, Ada!" in streamed.stderr

    folder = tmp_path / "pictures"
    page = f"url={worker.url}/problems/gone"
    taken = slotgrid("call", "screenshot", page, "--save", str(folder), **at)
    assert "The resource is gone" in str(result(taken))
    assert (folder / "screenshot.png").read_bytes().startswith(PNG)

    wrong = slotgrid("call", "helo", **at)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean 'hello'" in wrong.stderr
    stranger = slotgrid("call", "hello", "--key", "not-the-key", **at)
    assert stranger.returncode == 3
    assert "unauthorized" in stranger.stderr

    assert "0 of 1 used" in slotgrid("health", **at).stdout
    assert "maintenance" in slotgrid("off", **at).stdout
    assert slotgrid("call", "hello", **at).returncode == 3
    assert "ready" in slotgrid("on", **at).stdout
    assert "task.completed" in slotgrid("logs", **at).stdout

    assert "draining" in slotgrid("drain", "--deadline-s", "5", **at).stdout
    worker.assert_ended_well()
    gone = slotgrid("health", **at)
    assert gone.returncode == 3
    assert f"No node answers at {worker.url}" in gone.stderr


def test_check_finds_nothing_wrong_here_and_starts_nothing_that_stays(home: Home) -> None:
    checked = home.slotgrid("check", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    checks = {check["name"]: check["detail"] for check in json.loads(checked.stdout)["checks"]}
    names = {"settings", "key", "port", "data folder", "functions", "guard"}
    names |= {"chromium", "fonts", "pools", "secrets"}
    assert checks.keys() == names
    assert "Latin" not in checks["fonts"]
    home.assert_nothing_left()


def test_check_tells_a_node_that_runs_already_from_another_who_has_the_port(home: Home) -> None:
    def port_check(port: int) -> dict[str, Any]:
        checks = json.loads(home.slotgrid("check", "--json", PORT=str(port)).stdout)["checks"]
        (check,) = (check for check in checks if check["name"] == "port")
        return cast(dict[str, Any], check)

    with running_worker(home) as worker:
        check = port_check(int(worker.url.rpartition(":")[2]))
        assert (check["ok"], "another node of Slotgrid listens there" in check["detail"]) == (
            True,
            True,
        )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        check = port_check(taken.getsockname()[1])
        assert (check["ok"], check["advice"]) == (
            False,
            "stop the process that listens there, or set another PORT",
        )


def test_check_says_what_to_do_about_each_fault(home: Home) -> None:
    (home.functions / "broken.py").write_text("def")
    checked = home.slotgrid("check", CHROMIUM_PATH="/nowhere/chromium", AUTH_KEY="")
    assert checked.returncode == 1
    said = " ".join(checked.stdout.split())
    assert "broken.py: line 1: SyntaxError" in said
    assert "CHROMIUM_PATH is /nowhere/chromium, which is not a program" in said
    assert "AUTH_KEY is empty" in said
    assert "3 of 10 checks found a fault" in said
    home.assert_nothing_left()
