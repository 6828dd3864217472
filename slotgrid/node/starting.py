"""Start of a node's process (settings, log, data folder, loop), and its end."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

import structlog
import uvloop

from slotgrid.node.serving import MakeNode, serve
from slotgrid.records.engines import DatabaseFault
from slotgrid.runtime.data_folder import data_folder
from slotgrid.runtime.env_file import load_settings
from slotgrid.runtime.first_run import ensure_key
from slotgrid.runtime.logs import configure_logs
from slotgrid.runtime.parent_watch import end_with_owner
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.setting_aliases import NodeKind
from slotgrid.runtime.settings import SettingsError
from slotgrid.runtime.start_fault import StartFault

log = structlog.get_logger()

USAGE = 2
"""Exit status of a process that cannot start with its configuration."""
NONE: Mapping[str, str] = MappingProxyType({})


def run_node(make: MakeNode, *, defaults: Mapping[str, str] = NONE) -> int:
    """Run a node until it stops; returns the exit status of the process.

    `defaults` are default settings for this kind of node, by their environment names.
    """
    kind = make.kind
    end_with_owner(os.environ)
    try:
        ensure_key(Path(), os.environ, NodeKind(kind))
        settings = load_settings(defaults=defaults, kind=NodeKind(kind))
    except SettingsError as error:
        return refuse(kind, *error.problems)
    redactor = Redactor(settings.secrets())
    with configure_logs(
        level=settings.log_level,
        log_format=settings.log_format,
        ring_size=settings.max_logs,
        stream=sys.stderr,
        redactor=redactor,
    ) as logs:
        for notice in settings.notices:
            log.warning("settings.notice", notice=notice)
        try:
            with data_folder(settings.data_dir):
                # Never closed: closing waits for every asyncio task and thread, and functions may
                # have left some that do not end. All others have ended with `serve`.
                runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
                return runner.run(serve(make, settings, logs=logs, redactor=redactor))
        except (SettingsError, DatabaseFault, StartFault) as error:
            return refuse(kind, *getattr(error, "problems", (str(error),)))
        except OSError as error:
            return refuse(kind, _in_words(error))


def _in_words(error: OSError) -> str:
    if error.filename is None:
        return f"cannot start: {error}"
    return (
        f"cannot use {error.filename}: {error.strerror}; make it usable for this user, or set"
        " another DATA_DIR"
    )


def refuse(kind: str, *reasons: str) -> int:
    """Print why the node cannot start, a line for each reason; returns the exit status."""
    for reason in reasons:
        print(f"{kind}: {reason}", file=sys.stderr)
    return USAGE


def end(status: int) -> NoReturn:
    """End the process at once: Python itself would wait for threads that functions left."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
