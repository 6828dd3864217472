"""Persistent pools over the end of a worker's process, and `slotgrid check` of their file."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from tests.harness.processes.home import Home
from tests.harness.processes.process import PATIENCE_S
from tests.harness.processes.worker import running_worker
from tests.worker.pools.profiles import FUNCTIONS
from worker.browser.profile_lock import CHROMIUM_LOCK

KEPT = "kept: {size: 1, isolation: persistent}\ndefault: {size: 1}\n"


def with_pools(home: Home, text: str) -> None:
    (home.root / "pools.yaml").write_text(text)
    for name in ("login.py", "who.py"):
        (home.functions / name).write_text(FUNCTIONS[name])


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path is short enough for the socket of the full Chromium."""
    with TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.timeout(300)  # what lives on holds the output of the worker for its whole patience
@pytest.mark.parametrize("browser", ["chromium-headless-shell", "chromium"])
def test_kill_9_of_the_worker_keeps_the_login(home: Home, browser: str, short_folder: Path) -> None:
    with_pools(home, KEPT)
    with running_worker(home, BROWSER=browser, TMPDIR=str(short_folder), ends=True) as worker:
        site = f"{worker.url}/docs"
        port = worker.url.rpartition(":")[2]
        assert worker.run("login", url=site, name="ann").status == 200
        worker.until_slots(used=0)
        (slot,) = worker.get("/health")["browsers"]["persistent"]
        # A stopped driver cannot take its browser along: Chromium lives on in the profile.
        driver = psutil.Process(slot["driver_pid"])
        driver.suspend()
        worker.process.kill()
        worker.process.wait()
    lock = Path(slot["profile"]) / CHROMIUM_LOCK
    assert lock.is_symlink() == (browser == "chromium")
    with running_worker(home, BROWSER=browser, TMPDIR=str(short_folder), PORT=port) as worker:
        (slot,) = worker.get("/health")["browsers"]["persistent"]
        assert (slot["state"], slot["problem"]) == ("idle", None)
        # The storage of a site may lose its last seconds in a crash.
        assert worker.run("who", url=site).json["result"]["cookies"] == "long=ann; session=ann"


def check(home: Home, **env: str) -> tuple[int, dict[str, list[dict[str, object]]]]:
    ran = subprocess.run(
        [sys.executable, "-m", "worker", "--check"],
        cwd=home.root,
        env={**home.env, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )
    checks: dict[str, list[dict[str, object]]] = {}
    for one in json.loads(ran.stdout)["checks"]:
        checks.setdefault(one["name"], []).append(one)
    return ran.returncode, checks


def test_the_check_shows_the_pools(home: Home) -> None:
    proxy = "proxy: 'http://ann:sesame@proxy.example:3128'"
    profile = home.root / "volume"
    with_pools(
        home, f"a: {{size: 1, {proxy}}}\nb: {{size: 1, isolation: persistent, profile: {profile}}}"
    )
    status, checks = check(home)
    assert status == 1
    shown, missing = checks["pools"]
    assert shown["detail"] == (
        "a: 1 slot, isolation context, proxy http://ann:[redacted]@proxy.example:3128"
    )
    assert shown["ok"]
    assert not missing["ok"]
    assert missing["detail"] == (
        f"b: 1 slot, isolation persistent, profiles in {profile}: it is missing"
    )


def test_the_check_names_the_fault_of_the_file(home: Home) -> None:
    with_pools(home, "a:\n  size: 1\n  user_agnt: Robot")
    status, checks = check(home)
    assert status == 1
    details = [one["detail"] for one in checks["pools"]]
    assert details == [
        "pools.yaml, line 3: a.user_agnt: there is no such key; did you mean `user_agent`?"
    ]


def test_a_worker_does_not_start_with_a_bad_file(home: Home) -> None:
    with_pools(home, "a: {size: 1, isolation: reset}")
    process = home.python("-m", "worker")
    assert process.wait() == 2
    assert "worker: pools.yaml, line 1: a.isolation: `reset` is not available yet" in process.said
    assert "Traceback" not in process.said
