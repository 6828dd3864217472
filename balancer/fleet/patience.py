"""Time limits for a worker to answer and to end a task."""

import asyncio
import time

from balancer.fleet.call import Call, Lost

ANSWER_WITHIN_S = 10.0
"""For `started` or `refused`: the call of a live worker that does not answer is given up."""
OVERTIME_S = 30.0
"""Beyond `timeout_s`, which the worker enforces: its escalation to free a slot, and latency."""
LOOK_EVERY_S = 1.0


class Patience:
    """Gives up calls whose worker does not answer, or does not end the task in time.

    One timer checks all calls, as a timer for each would cost more than the choice of the
    worker. So a call may be given up a second late.
    """

    def __init__(self) -> None:
        self._waits: dict[Call, tuple[float, float]] = {}
        """For each call its start on the monotonic clock, and its task's `timeout_s`."""
        self._looking = False

    def begin(self, call: Call, timeout_s: float) -> None:
        """Start the time limits of a call: its task was sent."""
        self._waits[call] = time.monotonic(), timeout_s
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def end(self, call: Call) -> None:
        """End the time limits of a call."""
        del self._waits[call]

    def _look(self) -> None:
        now = time.monotonic()
        for call, (since, timeout_s) in self._waits.items():
            waited_s = now - since
            if not call.started and waited_s >= ANSWER_WITHIN_S:
                why = f"it did not answer within {ANSWER_WITHIN_S:g} s"
                call.give_up(Lost(why, unsure=True))
            elif waited_s >= timeout_s + OVERTIME_S:
                call.give_up(Lost("it did not cancel the task in time"))
        self._looking = bool(self._waits)
        if self._looking:
            asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)
