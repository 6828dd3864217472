"""An event loop whose time advances only when no callback is ready."""

import asyncio
import selectors


class Deadlock(RuntimeError):
    """No callback or timer remains, and the program has not ended."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop with a clock that jumps to the next timer. It has no sockets.

    So code that waits for timers and futures runs unchanged, simulated hours in seconds.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumps(self))

    def time(self) -> float:
        """Simulated seconds since the start."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Advance the clock."""
        self._now += seconds


class _Jumps(selectors.SelectSelector):
    """Advances the clock to the next timer in place of the loop's sleep."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock
        self._loop.jump(max(0.0, timeout))
        return []
