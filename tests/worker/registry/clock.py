"""A clock that a test turns by hand."""

import asyncio
import heapq
import itertools


class Clock:
    """Monotonic seconds and a `sleep` on them; time passes in `advance` only."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._slept = asyncio.Event()
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), sleeper))
        self._slept.set()
        await sleeper

    async def next_sleep(self) -> float:
        """Wait until something sleeps; turn the clock to where the first wakes. Its seconds."""
        async with asyncio.timeout(20):
            while not self._awake_cleared():
                self._slept.clear()
                await self._slept.wait()
        at, _, sleeper = heapq.heappop(self._sleepers)
        passed, self._now = at - self._now, max(at, self._now)
        sleeper.set_result(None)
        return passed

    def _awake_cleared(self) -> bool:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return bool(self._sleepers)
