"""An event loop whose time passes only when nothing is left to do at this moment."""

import asyncio
import selectors


class Deadlock(RuntimeError):
    """Nothing is due, now or ever, and the program has not ended."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on a clock that jumps to the next timer. It knows no sockets.

    So code that waits by the loop's timers and futures runs unchanged, hours in seconds.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumps(self))

    def time(self) -> float:
        """Simulated seconds since the start."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


class _Jumps(selectors.SelectSelector):
    """Where the loop would sleep until its next timer, time jumps there."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock
        self._loop.jump(max(0.0, timeout))
        return []
