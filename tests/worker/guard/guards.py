"""Guards with names of a test, and what they refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from slotgrid.net.addresses import AddressPolicy
from tests.worker.guard.names import Names
from worker.guard.context_guard import ContextGuard
from worker.guard.guard import Guard
from worker.guard.requests import Request
from worker.guard.rules import Refused

NODE_PORT = 1
"""No test's node listens there."""


class Refusals:
    """What guards refused since the beginning of the block."""

    def __init__(self) -> None:
        self.entries: list[Refused] = []

    @property
    def ports(self) -> set[int]:
        """The ports of refused targets."""
        return {refused.target.port for refused in self.entries}


@contextmanager
def refusals() -> Iterator[Refusals]:
    """What guards refuse within the block, each time; their log has the first of each kind."""
    found, refuse = Refusals(), ContextGuard.refused

    def note(guard: ContextGuard, request: Request, refused: Refused) -> None:
        found.entries.append(refused)
        refuse(guard, request, refused)

    with patch.object(ContextGuard, "refused", note):
        yield found


def guard_of(allowed: str = "", names: Names | None = None, **options: Any) -> Guard:
    """A guard with this ALLOWED_PRIVATE_NETWORKS, that resolves by `names`."""
    return Guard(
        AddressPolicy.parse(allowed),
        **{"node_port": NODE_PORT, "limit": None, "on_refused": lambda rule: None} | options,
        resolve=names,
    )
