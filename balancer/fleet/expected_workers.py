"""The workers still expected: listed ones, and those that had dialled an earlier process."""

from collections.abc import Callable, Collection

RETURNING_S = 12.0
"""Time after a start in which workers may still be missing: those that dial in retry every 10 s at
the latest."""


class ExpectedWorkers:
    """Tracks the workers that a balancer waits for before its fleet is complete."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._heard: set[str] = set()
        self.listed: frozenset[str] = frozenset()
        """The addresses of the list."""

    def expect(self, addresses: Collection[str]) -> None:
        """Replace the list of addresses."""
        self.listed = frozenset(addresses)
        self._heard &= self.listed

    def arrived(self, address: str) -> None:
        """Record that the worker at that address has reported."""
        self._heard.add(address)

    @property
    def unheard(self) -> frozenset[str]:
        """The listed addresses from which no worker has reported yet."""
        return self.listed - self._heard

    @property
    def returning(self) -> bool:
        """Whether the start is so recent that workers which dial in may not be back yet."""
        return self._clock() < self._began + RETURNING_S
