"""`python -m worker`: starts a worker with the settings of `.env` and the environment.

`--check` starts nothing: it prints what is right and wrong with this machine as JSON.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import NoReturn

import uvloop

from slotgrid.records.engines import DatabaseFault
from slotgrid.runtime.data_folder import DataFolderTaken, data_folder
from slotgrid.runtime.first_run import ensure_env
from slotgrid.runtime.logs import LogRing, configure_logs
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings, SettingsError, load_settings
from worker.check import print_checks
from worker.serving import serve

USAGE = 2
"""Exit status of a process that cannot start as it is set up."""


def main() -> int:
    """Run a worker until it is told to stop; returns the exit status of the process."""
    if sys.argv[1:] == ["--check"]:
        return print_checks()
    if sys.argv[1:]:
        return _refuse(f"unknown arguments: {' '.join(sys.argv[1:])}; there is only --check")
    example = Path(".env.example")
    if example.is_file():
        ensure_env(Path(".env"), example)
    try:
        settings = load_settings()
    except SettingsError as error:
        return _refuse(*error.problems)
    redactor = Redactor(settings.secrets())
    with configure_logs(
        level=settings.log_level,
        log_format=settings.log_format,
        ring_size=settings.max_logs,
        stream=sys.stderr,
        redactor=redactor,
    ) as logs:
        try:
            with data_folder(settings.data_dir):
                return _serve(settings, logs, redactor)
        except (SettingsError, DatabaseFault, DataFolderTaken) as error:
            return _refuse(*getattr(error, "problems", (str(error),)))
        except OSError as error:
            return _refuse(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}")


def _serve(settings: Settings, logs: LogRing, redactor: Redactor) -> int:
    # Never closed: that waits for every asyncio task and thread, and functions may have left some
    # that do not end. All that is ours has ended with `serve`.
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    return runner.run(serve(settings, logs=logs, redactor=redactor))


def _refuse(*reasons: str) -> int:
    for reason in reasons:
        print(f"worker: {reason}", file=sys.stderr)
    return USAGE


def _end(status: int) -> NoReturn:
    """End the process, whatever threads functions have left: Python itself would wait for them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _end(main())
