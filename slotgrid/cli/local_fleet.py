"""A balancer and its workers as processes of this machine: started, kept alive, ended in order."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from slotgrid.runtime.settings import BALANCER_DEFAULTS, Settings

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read here, not bound
LOCAL_DEFAULTS = {"PORT": BALANCER_DEFAULTS["PORT"]}
"""The settings of a folder are read for a balancer, but that DATA_DIR is the folder of all."""
FIRST_WORKER_PORT = 3000
READY_WITHIN_S = 60.0
POLL_S = 0.1
RESTART_FIRST_S = 0.5
RESTART_CEILING_S = 30.0
SOUND_AFTER_S = 60.0
"""A process that ran so long was well: the next restart does not wait."""


class NotReady(Exception):
    """The fleet did not come up; the text says what did not, `advice` what to do."""

    def __init__(self, what: str, advice: str = "Its last log line, above, says why.") -> None:
        super().__init__(what)
        self.advice = advice


class Child:
    """One process of the fleet, started anew when it ends unasked."""

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
        """Start it. In a session of its own, so that Ctrl-C reaches the fleet's owner alone."""
        self._started_at, self._restart_at = time.monotonic(), None
        self._process = subprocess.Popen(  # noqa: S603  the same interpreter, our own words
            self._command, cwd=self._cwd, env=self._env, start_new_session=True
        )

    @property
    def status(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll() if self._process is not None else None

    def ask_to_end(self) -> None:
        """It drains; asked a second time it cancels."""
        if self._process is not None and self.status is None:
            self._process.terminate()

    def wait(self) -> int:
        """Its exit status, as a shell tells it."""
        status = self._process.wait() if self._process is not None else 0
        return status if status >= 0 else 128 - status

    def keep_alive(self, say: Callable[[str], None]) -> None:
        """Start it anew, after a pause that grows, if it has ended."""
        if self.status is None:
            return
        now = time.monotonic()
        if self._restart_at is None:
            self._restarts = 0 if now - self._started_at > SOUND_AFTER_S else self._restarts + 1
            pause_s = min(RESTART_CEILING_S, RESTART_FIRST_S * 2.0 ** min(self._restarts, 10))
            self._restart_at = now + pause_s
            say(f"{self.name} ended with {self.wait()}; starts again in {pause_s:g} s")
        elif now >= self._restart_at:
            self.start()


class LocalFleet:
    """A balancer on the port of `settings`, and `workers` that dial it.

    `settings` are those of the folder `cwd`, read with the balancer's port as the default. The
    workers listen on loopback, from port 3000 on where that is free.
    """

    def __init__(self, settings: Settings, workers: int, *, cwd: Path) -> None:
        host = EVERY_ADDRESS.get(settings.host, settings.host)
        port = settings.port or _probe(host, 0)
        self._host, self._port = host, port
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._auth_key = settings.auth_key
        self._ending = 0
        data = settings.data_dir
        # Without a key of its own the link would take the callers' key, and without that nobody's.
        key = settings.balancer_key or settings.auth_key or secrets.token_urlsafe(32)
        common = {"BALANCER_KEY": key}
        self._balancer = Child(
            "balancer",
            "balancer",
            {
                **common,
                "PORT": str(port),
                "DATA_DIR": str(data / Path(BALANCER_DEFAULTS["DATA_DIR"]).name),
            },
            cwd=cwd,
        )
        self._workers = [
            Child(
                name,
                "worker",
                {
                    **common,
                    "HOST": "127.0.0.1",
                    "PORT": str(_free_or_any(FIRST_WORKER_PORT + index, not_=port)),
                    "NODE_NAME": f"{socket.gethostname()}-{name}",
                    "DATA_DIR": str(data / name),
                    "BALANCER_URL": self.address,
                },
                cwd=cwd,
            )
            for index in range(workers)
            for name in [f"worker-{index + 1}"]
        ]

    @property
    def _children(self) -> list[Child]:
        return [self._balancer, *self._workers]

    def start(self) -> None:
        """Start every process, and from here on end them when this one is asked to end.

        Raises NotReady where the balancer's port is taken: whoever answers there would be taken
        for this fleet.
        """
        try:
            _probe(self._host, self._port)
        except OSError as error:
            raise NotReady(
                f"the balancer cannot listen on {self._host}:{self._port}: {error.strerror}",
                advice="Stop what listens there, or set another PORT.",
            ) from error
        for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(asked, self._asked_to_end)
        for child in self._children:
            child.start()

    def wait_until_ready(self) -> None:
        """Return once every worker takes tasks. Raises NotReady, with everything ended again."""
        give_up = time.monotonic() + READY_WITHIN_S
        while self._ready_workers() < len(self._workers):
            ended = [child for child in self._children if child.status is not None]
            late = time.monotonic() > give_up
            if not ended and not late and not self._ending:
                time.sleep(POLL_S)
                continue
            self._end()
            if self._ending:
                raise SystemExit(0)
            raise NotReady(
                f"{ended[0].name} ended with {ended[0].wait()} before it was ready"
                if ended
                else f"not every worker was ready within {READY_WITHIN_S:.0f} s"
            )

    def stay(self, say: Callable[[str], None]) -> int:
        """Keep every process alive until this one is asked to end; returns the exit status."""
        while not self._ending:
            for child in self._children:
                child.keep_alive(say)
            time.sleep(POLL_S)
        return self._end()

    def _end(self) -> int:
        """The balancer first: what it has accepted still needs the workers."""
        statuses = []
        for children in ([self._balancer], self._workers):
            for child in children:
                child.ask_to_end()
            asked = self._ending
            while any(child.status is None for child in children):
                if self._ending > asked:  # asked again: they cancel what they have
                    asked = self._ending
                    for child in children:
                        child.ask_to_end()
                time.sleep(POLL_S)
            statuses += [child.wait() for child in children]
        return max(statuses)

    def _asked_to_end(self, _signal: int, _frame: FrameType | None) -> None:
        self._ending += 1

    def _ready_workers(self) -> int:
        """How many are ready; without a key nobody tells, and the balancer itself has to do."""
        if not self._auth_key:
            try:
                with urllib.request.urlopen(f"{self.address}/readyz", timeout=5):  # noqa: S310
                    return len(self._workers)
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return -1
        request = urllib.request.Request(  # noqa: S310  our own address
            f"{self.address}/workers?limit=1000", headers={"Authorization": self._auth_key}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
                workers: list[dict[str, Any]] = json.load(response)["workers"]
        except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError, KeyError):
            return -1
        return sum(worker["status"] == "ready" for worker in workers)


def _probe(host: str, port: int) -> int:
    """The port, or for 0 a free one. Raises OSError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as probe:
        return int(probe.getsockname()[1])


def _free_or_any(port: int, *, not_: int) -> int:
    """The port if nobody has it, and it is `not_` another's; else 0, which takes any.

    The worker dials, so nobody has to know where it listens.
    """
    if port == not_:
        return 0
    try:
        return _probe("127.0.0.1", port)
    except OSError:
        return 0
