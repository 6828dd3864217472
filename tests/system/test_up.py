"""`slotgrid up`: a balancer and workers on one machine, kept alive, ended in order."""

import json
import re
import signal
import socket

import psutil

from tests.system.home import Home


def test_a_fleet_is_started_used_kept_alive_and_ended_by_the_command_line(home: Home) -> None:
    up = home.python("-m", "slotgrid.cli", "up", "--workers", "2", SLOTS="1")
    ready = up.until_line(lambda line: "Slotgrid is ready" in line)
    found = re.search(r"http://\S+", ready)
    assert found is not None
    at = {"SLOTGRID_URL": found[0]}

    ran = home.slotgrid("call", "hello", "name=Ada", **at)
    assert json.loads(ran.stdout) == {"message": "Hello, Ada!"}, ran.stderr
    listed = home.slotgrid("workers", **at)
    assert listed.stdout.count("ready") == 2, listed.stdout
    workers = json.loads(home.slotgrid("workers", "--json", **at).stdout)
    assert [worker["slots"]["limit"] for worker in workers] == [1, 1]

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


def test_a_fleet_whose_port_is_taken_does_not_take_whoever_is_there_for_its_own(
    home: Home,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = home.slotgrid("up", PORT=str(port))
    assert ran.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in ran.stderr
    assert "set another PORT" in ran.stderr
    home.assert_nothing_left()


def line_is_third(lines: list[str]) -> bool:
    """Whether a third worker has joined: the one that was started again."""
    return sum('"event":"worker.joined"' in line for line in lines) >= 3
