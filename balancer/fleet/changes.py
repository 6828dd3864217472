"""Wakes those that wait for the fleet to offer something else."""

import asyncio


class Changes:
    """One future for all that wait, made when the first of them comes."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    async def wait(self, within_s: float) -> None:
        """Return after the next change, or when the time is up."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        await asyncio.wait({self._next}, timeout=within_s)

    def tell(self) -> None:
        """Something else is offered: wake all that wait."""
        change, self._next = self._next, None
        if change is not None:
            change.set_result(None)
