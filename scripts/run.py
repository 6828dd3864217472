"""Starts a balancer and the workers of `workers.json`; waits until they end. Runs on `.venv`."""

import os
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path

from scripts.browser import checked_settings, ensure_browser, ensure_driver
from scripts.fonts import ensure_fonts
from scripts.progress import StepFailed, failures_told, paint, step
from slotgrid.cli.local_fleet import LOCAL_DEFAULTS, LocalFleet, NotReady
from slotgrid.cli.ports import PortRefused, Ports
from slotgrid.runtime.first_run import ensure_key
from slotgrid.runtime.parent_watch import end_with_owner
from slotgrid.runtime.setting_aliases import NodeKind
from slotgrid.runtime.settings import Settings, SettingsError

ROOT = Path(__file__).resolve().parent.parent
CANNOT_START = 2
"""Exit status, the same as of a node that cannot start with its settings."""
FIRST_TASK = '{"function": "hello", "input": {"name": "world"}}'


def read_settings() -> Settings:
    """The settings of this folder, with an `.env` made at the first run. Raises StepFailed."""
    with step("settings") as line:
        try:
            made = ensure_key(ROOT, os.environ, NodeKind.BALANCER)
        except SettingsError as error:
            raise StepFailed(f"{error}.") from error
        line.detail = ".env made, with a key of its own" if made else ".env"
        return checked_settings(LOCAL_DEFAULTS, NodeKind.BALANCER)


def available(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises StepFailed, with the process that has the port."""
    try:
        with Ports() as ports:
            return ports.hold(host, port, name="")
    except PortRefused as refused:
        if not refused.taken:
            raise StepFailed(
                f"{host} port {port} cannot be used: {refused}.",
                remedy="correct HOST and PORT in .env.",
            ) from refused
        raise StepFailed(
            f"Port {port} is taken by {refused.by}.",
            remedy=f"end that, or take another port: PORT={port + 1} make run",
        ) from refused


def planned_fleet(settings: Settings) -> LocalFleet:
    """The fleet of this folder, after a check that its ports are free. Raises StepFailed."""
    port = available(settings.host, settings.port)
    try:
        fleet = LocalFleet(replace(settings, port=port), cwd=ROOT)
        fleet.check_ports()
    except NotReady as error:
        raise StepFailed(f"{error}.", remedy=error.advice) from error
    return fleet


def welcome(address: str) -> str:
    """The next steps for a user: the balancer's addresses, and a first task to paste."""
    # `slotgrid key` parses `.env`: a line may have quotes, a comment, a carriage return.
    command = Path(sys.executable).with_name("slotgrid")
    from_file = f"$(cd {shlex.quote(str(ROOT))} && {shlex.quote(str(command))} key)"
    key = "$AUTH_KEY" if os.environ.get("AUTH_KEY") else from_file
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
    """Start the fleet and wait for its end."""
    # SIGTERM drains. A second Ctrl-C ends make at once, and must not kill the fleet.
    end_with_owner(os.environ, by=signal.SIGTERM)
    with failures_told(status=CANNOT_START):
        settings = read_settings()
        fleet = planned_fleet(settings)
        ensure_driver()
        ensure_browser(settings)
        ensure_fonts()
        with step("fleet", live=False) as line:
            try:
                fleet.start()
                fleet.wait_until_ready()
            except NotReady as error:
                raise StepFailed(f"{error}.", remedy=error.advice) from error
            line.detail = f"ready, {fleet.workers} workers with {settings.slots} slots each"
    print(welcome(fleet.address), flush=True)
    sys.exit(fleet.stay(lambda line: print(line, file=sys.stderr, flush=True)))


if __name__ == "__main__":
    main()
