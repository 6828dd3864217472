"""Starts a balancer and two workers from this folder, and stays until they end. Runs on `.venv`."""

import errno
import os
import shlex
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from scripts.browser import checked_settings, ensure_browser, ensure_driver
from scripts.progress import StepFailed, failures_told, paint, step
from slotgrid.cli.local_fleet import LOCAL_DEFAULTS, LocalFleet, NotReady
from slotgrid.runtime.first_run import ensure_env
from slotgrid.runtime.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = ROOT / ".env"
WORKERS = 2
FIRST_TASK = '{"function": "hello", "input": {"name": "world"}}'


def read_settings() -> Settings:
    """The settings of this folder, with a `.env` made at the first run. Raises StepFailed."""
    with step("settings") as line:
        made = ensure_env(ENV_FILE, ROOT / ".env.example")
        line.detail = ".env made, with a key of its own" if made else ".env"
        return checked_settings(defaults=LOCAL_DEFAULTS)


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


def welcome(address: str) -> str:
    """What a person needs next: where the balancer is, and a first task that can be pasted."""
    from_env = "AUTH_KEY" in os.environ
    file = shlex.quote(str(ENV_FILE))
    key = "$AUTH_KEY" if from_env else f"$(grep ^AUTH_KEY= {file} | cut -d= -f2-)"
    return f"""
  {paint("Slotgrid is ready", "1")}   {address}
  Dashboard           {address}/dashboard
  Documentation       {address}/docs
  A first task, from another terminal:

    curl {address}/task -H "Authorization: {key}" \\
      -H "Content-Type: application/json" -d '{FIRST_TASK}'

  Ctrl-C finishes what is running, then ends.
"""


def main() -> None:
    """Start the fleet and stay with it."""
    with failures_told():
        settings = read_settings()
        ensure_driver()
        ensure_browser(settings)
        port = available(settings.host, settings.port)
        with step("fleet", live=False) as line:
            fleet = LocalFleet(replace(settings, port=port), WORKERS, cwd=ROOT)
            try:
                fleet.start()
                fleet.wait_until_ready()
            except NotReady as error:
                raise StepFailed(f"{error}.", remedy=error.advice) from error
            line.detail = f"ready, {WORKERS} workers with {settings.slots} slots each"
    print(welcome(fleet.address), flush=True)
    sys.exit(fleet.stay(lambda line: print(line, file=sys.stderr, flush=True)))


if __name__ == "__main__":
    main()
