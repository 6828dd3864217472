"""The log of a node in the tests' own process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slotgrid.runtime.logs import LogRing, configure_logs
from slotgrid.runtime.secrets import Redactor
from slotgrid.runtime.settings import Settings


@contextmanager
def node_logs(settings: Settings, redactor: Redactor) -> Iterator[LogRing]:
    """The node's log; at the end asyncio may have logged nothing but at level debug.

    asyncio logs what nobody awaited, and at level debug which selector a loop uses.
    """
    with (
        Path(os.devnull).open("wb") as nowhere,
        configure_logs(
            level=settings.log_level,
            log_format=settings.log_format,
            ring_size=5000,
            stream=nowhere,
            redactor=redactor,
        ) as logs,
    ):
        yield logs
        unseen = [
            line
            for line in logs.entries()
            if line.get("logger") == "asyncio" and line["level"] != "debug"
        ]
        assert unseen == []
