"""Tasks at a worker whose link broke: kept for a few seconds, as it may reconnect."""

import asyncio
from collections.abc import Iterable

from balancer.fleet.call import Call

LOST = "its link was lost"


class Orphans:
    """Calls without a link, by the name and boot of the worker that may continue them."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], list[Call]] = {}
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return sum(map(len, self._calls.values()))

    def keep(self, name: str, boot: str, calls: list[Call], *, for_s: float) -> None:
        """Keep the calls for `for_s` seconds; then they are lost."""
        if not calls:
            return
        self._calls[name, boot] = calls
        loop = asyncio.get_running_loop()
        self._timers[name, boot] = loop.call_later(for_s, self._end, (name, boot))

    def reclaim(self, name: str, boot: str) -> list[Call]:
        """The calls that a reconnected worker may continue; those of other boots are lost."""
        calls = self._take((name, boot))
        self.end(name)
        # Calls that were given up meanwhile are not claimed, so the worker cancels them.
        lose(
            (call for call in calls if call.outcome.done()), "its balancer abandoned it", gone=False
        )
        return [call for call in calls if not call.over]

    def end(self, name: str) -> None:
        """End the calls of that worker: another process has its name, so its process has ended."""
        for key in [key for key in self._calls if key[0] == name]:
            self._end(key, gone=True)

    def end_started(self, name: str) -> None:
        """End the started calls of that worker: it will not reconnect in time.

        Calls that may not have started are kept for the next process of that name.
        """
        for key, calls in list(self._calls.items()):
            if key[0] == name:
                self._calls[key] = [call for call in calls if not call.started]
                lose((call for call in calls if call.started), LOST, gone=False)

    def end_all(self) -> None:
        """End all calls."""
        for key in list(self._calls):
            self._end(key)

    def _end(self, key: tuple[str, str], *, gone: bool = False) -> None:
        lose(self._take(key), LOST, gone=gone)

    def _take(self, key: tuple[str, str]) -> list[Call]:
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        return self._calls.pop(key, [])


def lose(calls: Iterable[Call], reason: str, *, gone: bool) -> None:
    """End calls whose worker is gone or unreachable."""
    for call in calls:
        call.lose(reason, gone=gone)
