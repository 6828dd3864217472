"""A started command whose lines are read as they come."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import pytest

PATIENCE_S = 60.0
"""For what takes a second on an idle machine: a browser starts, a drain ends."""
FLEET_PATIENCE_S = 180.0
"""For a fleet to start: several processes, one after the other."""


class Process:
    """A command that runs; what it writes to stdout and stderr is kept line by line."""

    def __init__(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        self.lines: list[str] = []
        self._news = Condition()
        # A session of its own, as under a service manager: a Ctrl-C at the tests is not for it.
        self._popen = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    @property
    def said(self) -> str:
        """Everything it wrote so far."""
        return "\n".join(self.lines)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log lines among what it wrote."""
        return [json.loads(line) for line in self.lines if line.startswith('{"ts"')]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        return [line for line in self.log if line["event"] == name]

    def until_line(self, is_it: Callable[[str], bool], *, patience_s: float = PATIENCE_S) -> str:
        """The first line that is meant; fails when the process ends without having written it."""
        give_up, seen = time.monotonic() + patience_s, 0
        with self._news:
            while True:
                for line in self.lines[seen:]:
                    if is_it(line):
                        return line
                seen = len(self.lines)
                if not self._listener.is_alive():
                    pytest.fail(f"it ended with {self._popen.wait()} and wrote:\n{self.said}")
                if time.monotonic() > give_up:
                    pytest.fail(f"it has not written the line yet, but:\n{self.said}")
                self._news.wait(0.5)

    def until_ready(self, line: str = "Slotgrid is ready") -> str:
        """The line by which a fleet says that it is ready."""
        return self.until_line(lambda said: line in said, patience_s=FLEET_PATIENCE_S)

    def until_event(self, name: str) -> dict[str, Any]:
        """The first log line of that event."""
        line = self.until_line(lambda line: f'"event":"{name}"' in line)
        return dict(json.loads(line))

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self._popen.send_signal(number)

    def wait(self) -> int:
        """The exit status, once the process has ended and all that it wrote was read."""
        try:
            status = self._popen.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it has not ended, and wrote:\n{self.said}")
        self._listener.join(PATIENCE_S)
        return status

    def kill(self) -> None:
        """End it alone and now, as `kill -9` does; what it started may still hold its output."""
        self._popen.kill()
        self._popen.wait()

    def _listen(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as lines:
            for line in lines:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()
