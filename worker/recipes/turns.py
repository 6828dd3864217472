"""Lets other tasks of the worker run between the steps of a recipe."""

import asyncio
import time

TURN_S = 0.02
"""Seconds that a recipe keeps the event loop, at most, beside the work of one step."""


class Turns:
    """The turns of one recipe.

    A step such as `set` waits for nothing, so a loop of them would stop the whole worker, its
    heartbeats and the recipe's own time limit with it.
    """

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def pause(self) -> None:
        """Let the event loop run, if the recipe has had it for TURN_S."""
        if time.monotonic() - self._since >= TURN_S:
            await asyncio.sleep(0)
            self._since = time.monotonic()
