"""For how long a worker is waited for, once it was sent a task."""

import asyncio
import time

from balancer.fleet.call import Call, Lost

ANSWER_WITHIN_S = 10.0
"""For `started` or `refused`: a worker that lives and does not answer is not waited for."""
OVERTIME_S = 30.0
"""Beyond `timeout_s`, which the worker itself keeps: its ladder to free a slot, and the way."""
LOOK_EVERY_S = 1.0


class Patience:
    """Gives up calls whose worker does not answer, or does not end the task in time.

    One timer looks at all of them, for setting and cancelling one for each would cost more than
    choosing the worker does. So a call may be waited for a second longer.
    """

    def __init__(self) -> None:
        self._waits: dict[Call, tuple[float, float]] = {}
        """Since when each is waited for, on the monotonic clock, and how long its task may run."""
        self._looking = False

    def begin(self, call: Call, timeout_s: float) -> None:
        """A worker was sent the task."""
        self._waits[call] = time.monotonic(), timeout_s
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def end(self, call: Call) -> None:
        """The call is no longer waited for."""
        del self._waits[call]

    def _look(self) -> None:
        now = time.monotonic()
        for call, (since, timeout_s) in self._waits.items():
            waited_s = now - since
            if not call.started and waited_s >= ANSWER_WITHIN_S:
                why = f"it has not answered within {ANSWER_WITHIN_S:g} s"
                call.give_up(Lost(why, unsure=True))
            elif waited_s >= timeout_s + OVERTIME_S:
                call.give_up(Lost("it did not end the task in time"))
        self._looking = bool(self._waits)
        if self._looking:
            asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)
