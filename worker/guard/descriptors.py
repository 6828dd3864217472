"""The guard's share of file descriptors: pages must leave enough for the node's API.

A client that is let in may have a connection to a target too, so each client counts twice.
"""

from slotgrid.runtime.descriptors import descriptor_limit, reserved_descriptors


class DescriptorShare:
    """The guard's share of descriptors, a half of the limit, for all of its contexts together."""

    def __init__(self) -> None:
        self._clients = 0

    def allows_one_more(self, held: int) -> bool:
        """Whether a context that has `held` clients may have another.

        It may hold as many as it leaves to the others together, so that one context cannot take
        all: alone it gets a half, two of them get a third each.
        """
        limit = descriptor_limit()
        return limit is None or held < limit // 4 - self._clients

    def exceeded_by(self, descriptor: int) -> bool:
        """Whether a client with that `descriptor` must go, since the process has too many open.

        The kernel assigns the lowest free number, so a high one means that many are in use.
        """
        limit = descriptor_limit()
        return limit is not None and descriptor >= limit - reserved_descriptors(limit) * 2 // 3

    def add(self) -> None:
        """A client has connected."""
        self._clients += 1

    def remove(self) -> None:
        """A client has gone."""
        self._clients -= 1
