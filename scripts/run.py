"""Starts a worker from this folder, says where it is, and stays until it ends. Runs on `.venv`."""

import errno
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil

from scripts.browser import checked_settings, ensure_browser, ensure_driver
from scripts.progress import StepFailed, failures_told, paint, step
from slotgrid.runtime.first_run import ensure_env
from slotgrid.runtime.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = ROOT / ".env"
READY_WITHIN_S = 60.0
POLL_S = 0.1
FIRST_TASK = '{"function": "hello", "input": {"name": "world"}}'
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read here, not bound


def read_settings() -> Settings:
    """The settings of this folder, with a `.env` made at the first run. Raises StepFailed."""
    with step("settings") as line:
        made = ensure_env(ENV_FILE, ROOT / ".env.example")
        line.detail = ".env made, with a key of its own" if made else ".env"
        return checked_settings()


def available(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises StepFailed, naming who is there, if it is taken."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise StepFailed(f"{host} port {port} cannot be used: {error.strerror}.") from error
        raise StepFailed(
            f"Port {port} is taken by {listener(port)}.",
            remedy=f"end that, or take another port: PORT={port + 1} make run",
        ) from error


def listener(port: int) -> str:
    """Who listens on a port, as far as this user may see."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            here = connection.laddr and connection.laddr.port == port
            if here and connection.status == psutil.CONN_LISTEN and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return "another process"


class Worker:
    """The worker as a child process. It ends by SIGTERM, which makes it drain."""

    def __init__(self, host: str, port: int) -> None:
        host = EVERY_ADDRESS.get(host, host)
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._asked_to_end = False
        # In a session of its own, so that Ctrl-C reaches this process alone and the worker hears
        # one SIGTERM, whoever asked: the terminal, `kill`, or a closed window.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "worker"],
            cwd=ROOT,
            env={**os.environ, "PORT": str(port)},
            start_new_session=True,
        )
        for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(asked, self._drain)

    def wait_until_ready(self) -> None:
        """Return once it takes tasks.

        Raises StepFailed if it ends before or never gets there, SystemExit if asked to end.
        """
        give_up = time.monotonic() + READY_WITHIN_S
        while not self._is_ready():
            if self._process.poll() is not None:
                if self._asked_to_end:
                    raise SystemExit(self.wait())
                raise StepFailed(
                    f"The worker ended with {self._process.returncode} before it was ready.",
                    remedy="its last log line, above, says why.",
                )
            if time.monotonic() > give_up:
                self._process.terminate()
                self.wait()
                raise StepFailed(f"The worker was not ready within {READY_WITHIN_S:.0f} s.")
            time.sleep(POLL_S)

    def wait(self) -> int:
        """Its exit status, as a shell tells it, once it has ended."""
        status = self._process.wait()
        return status if status >= 0 else 128 - status

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/readyz", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _drain(self, _signal: int, _frame: FrameType | None) -> None:
        self._asked_to_end = True
        self._process.terminate()


def welcome(address: str) -> str:
    """What a person needs next: where the worker is, and a first task that can be pasted."""
    from_env = "AUTH_KEY" in os.environ
    file = shlex.quote(str(ENV_FILE))
    key = "$AUTH_KEY" if from_env else f"$(grep ^AUTH_KEY= {file} | cut -d= -f2-)"
    return f"""
  {paint("Slotgrid is ready", "1")}   {address}
  Documentation       {address}/docs
  A first task, from another terminal:

    curl {address}/task -H "Authorization: {key}" \\
      -H "Content-Type: application/json" -d '{FIRST_TASK}'

  Ctrl-C finishes what is running, then ends.
"""


def main() -> None:
    """Start one worker and stay with it."""
    with failures_told():
        settings = read_settings()
        ensure_driver()
        ensure_browser(settings)
        port = available(settings.host, settings.port)
        with step("worker", live=False) as line:
            worker = Worker(settings.host, port)
            worker.wait_until_ready()
            line.detail = f"ready, {settings.slots} slots"
    print(welcome(worker.address), flush=True)
    sys.exit(worker.wait())


if __name__ == "__main__":
    main()
