"""How much a worker may say, of itself and at all: one that says more is out of order.

Each bound is far above what any worker of ours says, and low enough that one which keeps below all
of them takes little of the balancer's memory and of its loop.
"""

import time
from collections.abc import Callable, Collection, Mapping

from slotgrid.records.artifacts import is_file_name
from slotgrid.wire import messages as m
from slotgrid.wire.encoding import ProtocolFault, encode
from slotgrid.wire.limits import (
    ENTRIES_BYTES,
    ENTRIES_LIMIT,
    FUNCTIONS_LIMIT,
    PARTS_LIMIT,
)
from slotgrid.wire.parts import FunctionInfo

SLOTS_LIMIT = 10_000
"""Of one worker, in all of its pools."""
NAME_CHARS = 100
"""Of a worker, its boot, its group or its version."""

REPORTS_LIMIT = 1000
"""In a second: a worker that keeps to the protocol sends a hundred, and what has waited while this
balancer's loop stood still comes at once."""
CHANGES_LIMIT = 50
"""Changes of functions or tags in a second."""
STRAYS_LIMIT = 10_000
"""In a second, messages about tasks and questions that are not there, or that say what was said:
of each task that is given up here some are on their way."""


def check_hello(hello: m.Hello) -> None:
    """Return if what a worker says of itself is within bounds. Raises ProtocolFault."""
    for what in ("name", "boot", "group", "version"):
        if len(getattr(hello, what)) > NAME_CHARS:
            raise ProtocolFault(f"its {what} has more than {NAME_CHARS} characters")
    sizes = hello.pools.values()
    if any(size < 0 for size in sizes) or sum(sizes) > SLOTS_LIMIT:
        raise ProtocolFault(f"its pools are not of 0 to {SLOTS_LIMIT} slots in all")
    for named in ("pools", "labels", "versions", "tags"):
        check_entries(named, getattr(hello, named))
    check_functions(hello.functions)


def check_functions(functions: Collection[FunctionInfo]) -> None:
    """Return if there are not too many functions. Raises ProtocolFault."""
    if len(functions) > FUNCTIONS_LIMIT:
        raise ProtocolFault(f"it has {len(functions)} functions, of {FUNCTIONS_LIMIT} at most")


def check_entries(what: str, entries: Mapping[str, object]) -> None:
    """Return if such a mapping is not too large. Raises ProtocolFault."""
    if len(entries) > ENTRIES_LIMIT:
        raise ProtocolFault(f"it has {len(entries)} {what}, of {ENTRIES_LIMIT} at most")
    if len(encode(dict(entries))) > ENTRIES_BYTES:
        raise ProtocolFault(f"its {what} take more than {ENTRIES_BYTES} bytes")


def check_end(end: m.Done | m.Failed) -> None:
    """Return if the task's parts are not too many, and its files have names of files. Raises
    ProtocolFault.
    """
    if len(end.artifacts) + len(end.steps) > PARTS_LIMIT:
        raise ProtocolFault(f"a task has more than {PARTS_LIMIT} files and steps")
    for file in end.artifacts:
        if not is_file_name(file.name):
            raise ProtocolFault(f"{file.name[:NAME_CHARS]!r} is not a plain file name")


class Bound:
    """So many of one thing in a second. `clock` gives monotonic seconds."""

    __slots__ = ("_clock", "_count", "_limit", "_since", "_what")

    def __init__(self, what: str, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._limit = limit
        self._clock = clock
        self._since = clock()
        self._count = 0

    def count(self) -> float:
        """One more has come; the time. Raises ProtocolFault in a flood."""
        now = self._clock()
        if now - self._since >= 1.0:
            self._since, self._count = now, 0
        self._count += 1
        if self._count > self._limit:
            raise ProtocolFault(f"more than {self._limit} {self._what} in a second")
        return now
