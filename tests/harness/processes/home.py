"""A folder that a worker is started from, and what may not be left of it afterwards."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from tests.harness.environment import KEY, LOOPBACK, clean_environment
from tests.harness.ports import free_ports
from tests.harness.processes.process import PATIENCE_S, Process

ROOT = Path(__file__).resolve().parents[3]
GONE_WITHIN_S = 10.0


class Home:
    """Functions, settings and data of one worker; the environment holds no other setting.

    `functions` are those of the project and those of these tests.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.functions = root / "functions"
        self.data = root / "data"
        self.temp = root / "tmp"
        self.temp.mkdir(parents=True)
        for folder in (ROOT / "functions", ROOT / "tests/system/functions"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(folder, self.functions, dirs_exist_ok=True, ignore=ignored)
        self.env: Mapping[str, str] = {
            **clean_environment(),
            **LOOPBACK,
            "TMPDIR": str(self.temp),
            "DATA_DIR": str(self.data),
            "AUTH_KEY": KEY,
            "NODE_NAME": "worker-1",
            "PORT": "0",
            "SLOTS": "2",
            "BROWSERS": "1",
            "LOG_FORMAT": "json",
        }
        self._started: list[Process] = []

    def python(self, *arguments: str, **env: str) -> Process:
        """Start `python arguments...` here."""
        process = Process([sys.executable, *arguments], cwd=self.root, env={**self.env, **env})
        self._started.append(process)
        return process

    def list_workers(self, count: int) -> tuple[int, ...]:
        """Write a workers.json with so many workers on free ports, which are returned."""
        with free_ports(count) as ports:
            urls = [f"http://127.0.0.1:{port}" for port in ports]
            (self.root / "workers.json").write_text(json.dumps(urls, indent=2) + "\n")
        return ports

    def slotgrid(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `slotgrid arguments...` here to its end."""
        return subprocess.run(
            [sys.executable, "-m", "slotgrid.cli", *arguments],
            cwd=self.root,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def processes(self) -> list[psutil.Process]:
        """Every process that was started from here, or by one that was."""
        return [one for one in psutil.process_iter() if self._is_ours(one)]

    def assert_nothing_left(self) -> None:
        """No process, no temporary file: not of the worker, its browsers, its services."""
        give_up = time.monotonic() + GONE_WITHIN_S
        while (left := self.processes()) and time.monotonic() < give_up:
            time.sleep(0.05)  # the kernel tells nobody but the parent of a process of its end
        assert left == []
        assert list(self.temp.iterdir()) == []
        assert list((self.data / "tmp").glob("*")) == []

    def end_everything(self) -> None:
        """Leave nothing behind on the machine, also when the test failed."""
        for left in self.processes():
            left.kill()
        for process in self._started:
            process.kill()
            process.wait()

    def _is_ours(self, process: psutil.Process) -> bool:
        if process.pid == os.getpid():
            return False
        try:
            # Handed down from process to process, whatever becomes of their parents.
            environment = process.environ()
            zombie = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False
        return not zombie and str(self.root) in "\0".join(environment.values())


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home for one test."""
    home = Home(tmp_path / "home")
    yield home
    home.end_everything()
