"""Tasks at a worker whose link broke: kept for a few seconds, as it may reconnect."""

from functools import partial

from balancer.fleet.remote_call import LINK_LOST, RemoteCall
from slotgrid.wire.awake_timer import AwakeTimer


class Orphans:
    """Calls without a link, each with the timer that ends it unless its worker reconnects."""

    def __init__(self) -> None:
        self._timers: dict[RemoteCall, AwakeTimer] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def keep(self, calls: list[RemoteCall], *, for_s: float) -> None:
        """Keep the calls for `for_s` seconds; then they are lost."""
        for call in calls:
            self._timers[call] = AwakeTimer(for_s, partial(self._lose, call))

    def reclaim(self, name: str, boot: str) -> list[RemoteCall]:
        """The calls that a reconnected worker may continue; those of other boots are lost.

        Calls that were given up meanwhile are lost as well: they are not claimed, so the worker
        cancels them.
        """
        claimed: list[RemoteCall] = []
        for call in self._of(name):
            if call.session.worker.boot != boot:
                self._lose(call, gone=True)  # another process has its name
            elif call.outcome.done():
                self._lose(call, "it was given up")
            else:
                self._timers.pop(call).cancel()
                claimed.append(call)
        return claimed

    def end_started(self, name: str) -> None:
        """End the started calls of that worker: it will not reconnect in time.

        Calls that may not have started are kept for the next process of that name.
        """
        for call in self._of(name):
            if not call.unanswered:
                self._lose(call)

    def end_all(self) -> None:
        """End all calls."""
        for call in list(self._timers):
            self._lose(call)

    def _of(self, name: str) -> list[RemoteCall]:
        return [call for call in self._timers if call.session.worker.name == name]

    def _lose(self, call: RemoteCall, reason: str = LINK_LOST, *, gone: bool = False) -> None:
        self._timers.pop(call).cancel()
        call.lose(reason, gone=gone)
