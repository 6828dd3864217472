"""Somebody who reads a page and does what it says, in the folder of a node that runs."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import blocks
from tests.harness.environment import KEY
from tests.harness.processes.home import Home
from tests.harness.processes.process import PATIENCE_S, Process
from tests.harness.processes.worker import running_worker

HOST = "ada"
FOLDER = "/home/ada/slotgrid"
NOT_RUN = {"make run\nmake test\n", "source .venv/bin/activate\n"}
"""What the tests themselves stand on."""
ANSWERS = {"text", "json"}
SAVED = re.compile(r"Save this as `(functions/[\w/]+\.(?:py|yaml))`.*:.*")
NO_SERVERS: Mapping[str, str] = {}
VARYING = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r'"(queued_ms|run_ms|size)": ?[\d.]+', r'"\1":0'),
    (r"\b[\d.]+ (ms|s|KiB)\b", "0"),
    (rf"\b{HOST}-worker-\d\b", f"{HOST}-worker-N"),  # whichever has the freest slot
)
"""What differs from one run to the next."""


@dataclass(frozen=True)
class Started:
    """What the page tells to start: it is at `url`, where the page says `address`.

    `listed` are the ports of its workers.json, for which the page has 3000 and those that follow.
    """

    home: Home
    process: Process
    url: str
    address: str
    listed: tuple[int, ...] = ()

    @property
    def workers(self) -> int:
        """How many workers run."""
        return len(self.listed) or 1

    def until_offered(self, function: str) -> None:
        """Return when every worker has read the function's file, and callers can have it."""
        read, give_up = f'["{function}"]', time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            said = self.process.lines
            told = sum("functions.reloaded" in line and read in line for line in said)
            if told >= self.workers and function in self._offered():
                return
            time.sleep(0.05)
        pytest.fail(f"{function} is not offered:\n{self.process.said}")

    def until_flow(self, name: str) -> None:
        """Return when the balancer has read the flow's file."""
        give_up = time.monotonic() + PATIENCE_S
        while name not in self._offered():
            if time.monotonic() > give_up:
                pytest.fail(f"the flow {name} is not offered:\n{self.process.said}")
            time.sleep(0.05)

    def _offered(self) -> str:
        request = urllib.request.Request(f"{self.url}/functions", headers={"Authorization": KEY})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return str(answer.read().decode())


@contextmanager
def worker(home: Home) -> Iterator[Started]:
    """A worker, as `python -m worker` starts it."""
    with running_worker(home) as one:
        yield Started(home, one.process, one.url, "http://127.0.0.1:3000")


@contextmanager
def fleet(home: Home) -> Iterator[Started]:
    """A balancer and two workers, as `make run` starts them."""
    ports = home.list_workers(2)
    process = home.python("-m", "slotgrid.cli", "up", NODE_NAME="")
    try:
        ready = process.until_ready()
        url = next(word for word in ready.split() if word.startswith("http://"))
        yield Started(home, process, url, "http://127.0.0.1:4000", ports)
    finally:
        home.end_everything()


class Reader:
    """Types commands, saves files, and sees what the terminal shows.

    `servers` are further addresses that the page names, and where they are here.
    """

    def __init__(self, started: Started, servers: Mapping[str, str] = NO_SERVERS) -> None:
        self.folder = started.home.root
        self._started = started
        port = started.url.rpartition(":")[2]
        (self.folder / ".env").write_text(f"AUTH_KEY={KEY}\nPORT={port}\n")
        env = started.home.env
        self._env = {name: env[name] for name in env if name not in {"AUTH_KEY", "PORT"}}
        self._env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        self._env["KEY"] = KEY
        (self.folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
        written = started.address.rpartition(":")[2]
        self._read_as = {
            started.url: started.address,
            str(self.folder): FOLDER,
            f"{socket.gethostname()}-{port}": f"{HOST}-{written}",
            f"{socket.gethostname()}-worker": f"{HOST}-worker",
        }
        self._servers = dict(servers)
        self._read_as |= {here: there for there, here in servers.items()}
        for number, own in enumerate(started.listed):
            self._read_as[f"http://127.0.0.1:{own}"] = f"http://127.0.0.1:{3000 + number}"

    def follows(self, page: Path) -> Iterator[tuple[str, str]]:
        """Do all that the page says; what it promises, and what the terminal then shows."""
        shown = ""
        for block in blocks(page):
            saved = re.fullmatch(
                r"Save this as `(functions/[\w/]+\.(?:py|yaml))`.*:.*", block.before
            )
            if saved is not None:
                self._saves(block.text, saved[1])
            elif block.language == "sh":
                shown = self.types(block.text) if block.text not in NOT_RUN else ""
            elif block.language in ANSWERS:
                yield same(block.text), same(shown)

    def types(self, command: str) -> str:
        """Run a command in a shell; return what the terminal shows."""
        if command.startswith("export KEY="):
            # A terminal keeps it for what follows; each block here has a shell of its own.
            self._env["KEY"] = self.types(
                f'unset KEY\n{command.removeprefix("export ")}echo "$KEY"'
            ).strip()
            return ""
        for there, here in {self._started.address: self._started.url, **self._servers}.items():
            command = command.replace(there, here)
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        shown = ran.stdout
        for here, there in self._read_as.items():
            shown = shown.replace(here, there)
        return shown

    def _saves(self, text: str, path: str) -> None:
        """Save a file; a function can be called when this returns."""
        (self.folder / path).write_text(text)
        name = Path(path).stem
        if text.startswith("kind: flow"):
            self._started.until_flow(name)
            return
        if not name.startswith("_"):
            self._started.until_offered(name)


def same(text: str) -> str:
    """A text without what varies."""
    for pattern, instead in VARYING:
        text = re.sub(pattern, instead, text)
    return text.strip()
