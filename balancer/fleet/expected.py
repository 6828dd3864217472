"""Who is to come: the workers of the list, and those that dialled an earlier process."""

from collections.abc import Callable, Collection

RETURNING_S = 12.0
"""How long after its start a balancer cannot know who is missing: workers that dial in try again
every 10 s at the latest."""


class Expected:
    """Tells for whom a balancer still has to wait before it knows its fleet."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._heard: set[str] = set()
        self.listed: frozenset[str] = frozenset()
        """The addresses of the list."""

    def expect(self, addresses: Collection[str]) -> None:
        """The list is this from now on."""
        self.listed = frozenset(addresses)
        self._heard &= self.listed

    def heard(self, address: str) -> None:
        """The worker at that address has reported."""
        self._heard.add(address)

    @property
    def unheard(self) -> frozenset[str]:
        """The listed addresses from which no worker has reported yet."""
        return self.listed - self._heard

    @property
    def returning(self) -> bool:
        """Whether it is so soon after the start that workers which dial in may not be back yet."""
        return self._clock() < self._began + RETURNING_S
