"""Guards with names of a test, and what they refused."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from structlog.testing import capture_logs

from slotgrid.net.addresses import AddressPolicy
from tests.worker.guard.names import Names
from worker.guard.guard import Guard

NODE_PORT = 1
"""No test's node listens there."""


class Refusals:
    """What guards refused since the beginning of the block, from their log."""

    def __init__(self, logged: list[Any]) -> None:
        self._logged = logged

    @property
    def entries(self) -> list[Mapping[str, Any]]:
        """The log lines."""
        return [line for line in self._logged if line["event"] == "guard.refused"]

    @property
    def ports(self) -> set[int]:
        """The ports of refused targets."""
        return {line["port"] for line in self.entries}


@contextmanager
def refusals() -> Iterator[Refusals]:
    """What guards refuse within the block."""
    with capture_logs() as logged:
        yield Refusals(logged)


def guard_of(allowed: str = "", names: Names | None = None, **options: Any) -> Guard:
    """A guard with this ALLOWED_PRIVATE_NETWORKS, that resolves by `names`."""
    return Guard(
        AddressPolicy.parse(allowed),
        **{"node_port": NODE_PORT, "limit": None, "on_refused": lambda rule: None} | options,
        resolve=names,
    )
