"""The process that started a fleet is killed: nothing of the fleet outlives it."""

import json
import re
import socket
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from slotgrid.runtime.data_folder import data_folder
from tests.harness.environment import KEY
from tests.harness.processes.home import Home
from tests.harness.processes.process import PATIENCE_S, Process

pytestmark = pytest.mark.timeout(300)
ASLEEP = """
import os
from slotgrid.function import function


@function(timeout_s=100)
def asleep(context, mark: str) -> None:
    os.rename(open(mark + "~", "x").name, mark)
    sum(range(10**15))
"""


def fleet(home: Home) -> tuple[Process, str]:
    """A fleet that is ready, and its address."""
    up = home.python("-m", "slotgrid.cli", "up", "--workers", "1")
    ready = up.until_ready()
    found = re.search(r"http://\S+", ready)
    assert found is not None
    return up, found[0]


def call(url: str, function: str, **given: object) -> str:
    """Run a function; the answer is lost with the fleet, and the error is returned."""
    body = json.dumps({"function": function, "input": given}).encode()
    headers = {"Authorization": KEY, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/task", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return str(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return str(refusal.read())
    except OSError:
        return "lost"


def test_nothing_of_a_fleet_outlives_the_one_that_started_it(home: Home) -> None:
    (home.functions / "asleep.py").write_text(ASLEEP)
    up, url = fleet(home)
    mark = home.root / "asleep"
    with ThreadPoolExecutor() as threads:
        # One with a page that never answers, one that holds the interpreter of its own process.
        calls = [
            threads.submit(call, url, "stuck"),
            threads.submit(call, url, "asleep", mark=str(mark)),
        ]
        give_up = time.monotonic() + PATIENCE_S
        while not mark.exists() and time.monotonic() < give_up:
            assert [one.result() for one in calls if one.done()] == []
            time.sleep(0.02)
        names = {one.name() for one in home.processes()}
        assert any("chrom" in name for name in names), names
        assert len(psutil.Process(up.pid).children()) == 2
        up.kill()
        assert [one.result(PATIENCE_S) for one in calls] == ["lost", "lost"]
    give_up = time.monotonic() + PATIENCE_S
    while (left := home.processes()) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert left == []

    for folder in ("balancer", "worker-1"):  # what the next start needs is free
        with data_folder(home.data / folder):
            pass
    with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))):
        pass
