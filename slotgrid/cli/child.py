"""One process of a fleet: starts, restarts with backoff, and ends on request."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from slotgrid.backoff import Backoff
from slotgrid.runtime.parent_watch import OWNER

RESTART = Backoff(first_s=0.5, ceiling_s=30.0)
SOUND_AFTER_S = 60.0
"""A process that ran this long was healthy: its restart backoff is reset."""


class Child:
    """One process of the fleet, which `keep_alive` restarts."""

    def __init__(self, name: str, module: str, env: Mapping[str, str], *, cwd: Path) -> None:
        self.name = name
        self._command = [sys.executable, "-m", module]
        self._env = {**os.environ, **env}
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._restarts = 0
        self._restart_at: float | None = None

    def start(self) -> None:
        """Start the process, in its own session, so that Ctrl-C reaches only the fleet's owner.

        Call it in the main thread: a node ends with the thread that started it
        (`end_with_parent`).
        """
        self._started_at, self._restart_at = time.monotonic(), None
        self._process = subprocess.Popen(  # noqa: S603  the same interpreter, our own words
            self._command,
            cwd=self._cwd,
            env={**self._env, OWNER: str(os.getpid())},
            start_new_session=True,
        )

    @property
    def started(self) -> bool:
        """Whether the process was ever started."""
        return self._process is not None

    @property
    def status(self) -> int | None:
        """How the process ended; None while it runs, and before its start."""
        return self._process.poll() if self._process is not None else None

    def request_end(self) -> None:
        """Send SIGTERM: the first one drains the node, a second one cancels its tasks."""
        if self._process is not None and self.status is None:
            self._process.terminate()

    def wait(self) -> int:
        """Wait for the end, and return the exit status in a shell's form."""
        status = self._process.wait() if self._process is not None else 0
        return status if status >= 0 else 128 - status

    def keep_alive(self, echo: Callable[[str], None]) -> None:
        """Restart the process with backoff, if it has ended."""
        if self.status is None:
            return
        now = time.monotonic()
        if self._restart_at is None:
            self._restarts = 0 if now - self._started_at > SOUND_AFTER_S else self._restarts + 1
            pause_s = RESTART.full_s(self._restarts + 1)
            self._restart_at = now + pause_s
            echo(f"{self.name} ended with {self.wait()}; starts again in {pause_s:g} s")
        elif now >= self._restart_at:
            self.start()
