"""Wakes all waiters when the fleet's offer changes."""

import asyncio


class ChangeSignal:
    """One future shared by all waiters, made for the first of them."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    async def wait(self, within_s: float) -> None:
        """Wait for the next change, for `within_s` seconds at most."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        await asyncio.wait({self._next}, timeout=within_s)

    def notify(self) -> None:
        """Wake all waiters: the offer has changed."""
        change, self._next = self._next, None
        if change is not None:
            change.set_result(None)
