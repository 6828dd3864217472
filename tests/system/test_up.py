"""`slotgrid up`: a balancer and workers on one machine, kept alive, ended in order."""

import json
import re
import signal
import socket

import psutil
import pytest

from tests.harness.processes.home import Home

pytestmark = pytest.mark.timeout(300)


def test_a_fleet_is_started_used_kept_alive_and_ended_by_the_command_line(home: Home) -> None:
    ports = home.list_workers(2)
    up = home.python("-m", "slotgrid.cli", "up", SLOTS="1")
    ready = up.until_ready()
    found = re.search(r"http://\S+", ready)
    assert found is not None
    at = {"SLOTGRID_URL": found[0]}

    ran = home.slotgrid("call", "hello", "name=Ada", **at)
    assert json.loads(ran.stdout) == {"message": "Hello, Ada!"}, ran.stderr
    listed = home.slotgrid("workers", **at)
    assert listed.stdout.count("ready") == 2, listed.stdout
    workers = json.loads(home.slotgrid("workers", "--json", **at).stdout)
    assert [worker["slots"]["limit"] for worker in workers] == [1, 1]

    # The balancer has dialled each on its port, none dialled in, and none was dialled too early.
    assert sorted(line["port"] for line in up.events("worker.listening")) == sorted(ports)
    assert [line["address"] for line in up.events("uplink.welcomed")] == ["127.0.0.1"] * 2
    assert up.events("link.unreachable") == []

    (victim, *_) = [
        process
        for process in psutil.Process(up.pid).children()
        if process.cmdline()[-1] == "worker"
    ]
    victim.kill()
    up.until_line(
        lambda line: re.match(r"worker-\d ended with 137; starts again", line) is not None
    )
    up.until_line(lambda line: '"event":"worker.joined"' in line and line_is_third(up.lines))
    assert home.slotgrid("call", "hello", "name=Ada", **at).returncode == 0

    up.send(signal.SIGTERM)
    assert up.wait() == 0, up.said
    ends = [line["event"] for line in up.log if line["event"].endswith(".ended")]
    assert [end for end in ends if not end.startswith("uplink")] == [
        "balancer.ended",
        "worker.ended",
        "worker.ended",
    ]
    home.assert_nothing_left()


def test_with_a_number_of_workers_the_file_is_ignored_by_all(home: Home) -> None:
    _, port = home.list_workers(2)
    with socket.create_server(("127.0.0.1", port)):  # would stop a start that minds the file
        up = home.python("-m", "slotgrid.cli", "up", "--workers", "1")
        up.until_ready()
        up.send(signal.SIGTERM)
        assert up.wait() == 0, up.said
    (listening,) = up.events("worker.listening")
    assert listening["port"] != port
    assert up.events("inventory.read") == up.events("link.unreachable") == []
    assert len(up.events("worker.joined")) == 1


def test_a_file_of_workers_that_cannot_be_used_is_refused_before_anything_starts(
    home: Home,
) -> None:
    (home.root / "workers.json").write_text('["http://127.0.0.1:3000", {"url": 7}]')
    ran = home.slotgrid("up")
    assert ran.returncode == 2
    assert "workers.json is not valid: entry 2: `url` is missing, or no text" in ran.stderr
    assert "Traceback" not in ran.stderr
    home.assert_nothing_left()


def test_a_fleet_whose_port_is_taken_does_not_take_whoever_is_there_for_its_own(
    home: Home,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = home.slotgrid("up", PORT=str(port))
    assert ran.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in ran.stderr
    assert "set another PORT" in ran.stderr
    home.assert_nothing_left()


def line_is_third(lines: list[str]) -> bool:
    """Whether a third worker has joined: the one that was started again."""
    return sum('"event":"worker.joined"' in line for line in lines) >= 3
