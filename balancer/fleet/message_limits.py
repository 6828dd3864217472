"""Limits on what a worker may send; a worker that exceeds one violates the protocol.

Each limit is far above what a regular worker sends, and low enough that a worker below all limits
uses little of the balancer's memory and event loop.
"""

import time
from collections.abc import Callable, Collection, Mapping

from slotgrid.records.file_names import is_file_name
from slotgrid.wire import messages as m
from slotgrid.wire.encoding import ProtocolFault, encode
from slotgrid.wire.limits import (
    ENTRIES_BYTES,
    ENTRIES_LIMIT,
    FUNCTIONS_LIMIT,
    PARTS_LIMIT,
)
from slotgrid.wire.message_parts import FunctionInfo

SLOTS_LIMIT = 10_000
"""Slots of one worker, in all of its pools."""
NAME_CHARS = 100
"""Characters in a worker's name, boot, group or version."""

REPORTS_LIMIT = 1000
"""Per second: a worker that keeps to the protocol sends a hundred, and after a stall of this
balancer's event loop the backlog arrives at once."""
CHANGES_LIMIT = 50
"""Changes of functions or tags per second."""
STRAYS_LIMIT = 10_000
"""Messages per second about unknown tasks and requests, or that repeat an earlier message: each
task that is given up here has some under way."""


def check_hello(hello: m.Hello) -> None:
    """Check a worker's `hello` against the limits. Raises ProtocolFault."""
    for what in ("name", "boot", "group", "version"):
        if len(getattr(hello, what)) > NAME_CHARS:
            raise ProtocolFault(f"its {what} has more than {NAME_CHARS} characters")
    sizes = hello.pools.values()
    if any(size < 0 for size in sizes) or sum(sizes) > SLOTS_LIMIT:
        raise ProtocolFault(f"its pools are not of 0 to {SLOTS_LIMIT} slots in all")
    for named in ("pools", "isolation", "queue_limits", "labels", "versions", "tags"):
        check_entries(named, getattr(hello, named))
    check_functions(hello.functions)


def check_functions(functions: Collection[FunctionInfo]) -> None:
    """Check the number of functions. Raises ProtocolFault."""
    if len(functions) > FUNCTIONS_LIMIT:
        raise ProtocolFault(f"it has {len(functions)} functions, of {FUNCTIONS_LIMIT} at most")


def check_entries(what: str, entries: Mapping[str, object]) -> None:
    """Check a mapping's number of entries and encoded bytes. Raises ProtocolFault."""
    if len(entries) > ENTRIES_LIMIT:
        raise ProtocolFault(f"it has {len(entries)} {what}, of {ENTRIES_LIMIT} at most")
    if len(encode(dict(entries))) > ENTRIES_BYTES:
        raise ProtocolFault(f"its {what} take more than {ENTRIES_BYTES} bytes")


def check_end(end: m.Done | m.Failed) -> None:
    """Check the number of a task's files and steps, and the file names. Raises ProtocolFault."""
    if len(end.artifacts) + len(end.steps) > PARTS_LIMIT:
        raise ProtocolFault(f"a task has more than {PARTS_LIMIT} files and steps")
    for file in end.artifacts:
        if not is_file_name(file.name):
            raise ProtocolFault(f"{file.name[:NAME_CHARS]!r} is not a plain file name")


class RateBound:
    """A limit per second, in fixed windows. `clock` gives monotonic seconds."""

    __slots__ = ("_clock", "_count", "_limit", "_since", "_what")

    def __init__(self, what: str, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._limit = limit
        self._clock = clock
        self._since = clock()
        self._count = 0

    def count(self) -> float:
        """Count one more; returns the time. Raises ProtocolFault above the limit."""
        now = self._clock()
        if now - self._since >= 1.0:
            self._since, self._count = now, 0
        self._count += 1
        if self._count > self._limit:
            raise ProtocolFault(f"more than {self._limit} {self._what} in a second")
        return now
