"""A time limit for a peer's answer that does not run while this process stands still."""

import asyncio
from collections.abc import Callable

STEPS = 10


class AwakeTimer:
    """Calls `callback` once, after `after_s` and then `limit_s` in which the process could receive.

    A process that was stopped or blocked finds the answers of its peers when it goes on, but the
    loop runs timers that are due before it reads. So the limit is counted in STEPS steps, and a
    step that took more than twice its time is repeated.
    """

    __slots__ = ("_callback", "_handle", "_left", "_loop", "_step_s")

    def __init__(
        self, limit_s: float, callback: Callable[[], None], *, after_s: float = 0.0
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._step_s = limit_s / STEPS
        self._left = STEPS
        self._callback = callback
        self._handle = self._loop.call_later(after_s, self._begin_step)

    def cancel(self) -> None:
        """The callback is not called any more. May be called twice."""
        self._handle.cancel()

    def _begin_step(self) -> None:
        due = self._loop.time() + self._step_s
        self._handle = self._loop.call_at(due, self._end_step, due)

    def _end_step(self, due: float) -> None:
        if self._loop.time() - due <= self._step_s:
            self._left -= 1
        if self._left:
            self._begin_step()
        else:
            self._callback()
