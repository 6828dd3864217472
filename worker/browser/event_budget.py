"""Bounds the events that one context may send through Playwright's driver to our event loop.

A page can make the driver send unrequested events: navigations, frames, script errors, WebSocket
frames. Each costs this process some 0.1 ms and an iteration of its loop, so one to four pages
could block all other work. Each context therefore has a budget. Above the budget, its events are
dropped unread, and a callback lets the owner end the context.
"""

import re
from collections.abc import Callable
from typing import Any

import structlog

from worker.browser.listeners import Budget

EVENTS = (10_000, 2_000)
"""(burst, sustained rate per second). A routed request takes about 12 events, and a heavy page
makes some hundred requests; a flooding page reaches 2,000 to 10,000 events a second."""
BYTES = (128 * 2**20, 16 * 2**20)
"""The same for bytes. A screencast of a page takes 4 MiB/s."""

ENDINGS = frozenset({"close", "crash", "__dispose__"})
"""Events that pass above the budget: Playwright needs them to remove ended objects."""

_HEAD = re.compile(rb'\{"guid":"([^"\\]*)","method":"(\w+)"')
_DROPPED: dict[str, Any] = {}

log = structlog.get_logger(__name__)


class EventMeter:
    """Filters the messages of one driver before Playwright; drops events of flooding contexts.

    `on_flood` gets the guid of a context once, when the context exceeds its budget; `flooded` has
    the guids of such contexts that are still open. Uses private parts of Playwright's transport,
    as no public interface shows a message before its dispatch.
    """

    def __init__(self, connection: Any, on_flood: Callable[[str], None]) -> None:
        self._objects: dict[str, Any] = connection._objects
        self._on_flood = on_flood
        self._budgets: dict[str, tuple[Budget, Budget]] = {}
        self.flooded: set[str] = set()

    @classmethod
    def install(cls, client: Any, on_flood: Callable[[str], None]) -> None:
        """Insert a meter between the transport of `client`, a PlaywrightClient, and its reader."""
        transport, connection = client._transport, client._connection
        meter = cls(connection, on_flood)
        read, dispatch = transport.deserialize_message, transport.on_message

        def metered(data: bytes) -> Any:
            return read(data) if meter.passes(data) else _DROPPED

        def passed(message: Any) -> None:
            if message is _DROPPED:
                return
            if not meter.flooded:
                dispatch(message)
                return
            # The message may refer to a dropped one. Playwright would store that error and raise
            # it in the next call on this driver, in any task.
            try:
                connection.dispatch(message)
            except Exception as error:
                log.info("browser.message_lost", error=str(error))

        transport.deserialize_message = metered
        transport.on_message = passed

    def passes(self, data: bytes) -> bool:
        """Whether Playwright gets a message: it always gets the response to a call."""
        head = _HEAD.match(data)
        if head is None:
            return True
        guid, method = head[1].decode(), head[2].decode()
        if guid not in self._objects:
            # The object's creation was dropped, or the object has ended: Playwright would store an
            # error about it and raise that in the next call on this driver.
            return False
        context = self._context_of(guid)
        if context is None:
            return True
        if context == guid and method == "__dispose__":
            self._budgets.pop(context, None)
            self.flooded.discard(context)
            return True
        return self._within_budget(context, len(data)) or method in ENDINGS

    def _within_budget(self, context: str, size: int) -> bool:
        if context in self.flooded:
            return False
        if context not in self._budgets:
            self._budgets[context] = Budget(*EVENTS), Budget(*BYTES)
        events, volume = self._budgets[context]
        if events.spend() and volume.spend(size):
            return True
        self.flooded.add(context)
        self._on_flood(context)
        return False

    def _context_of(self, guid: str) -> str | None:
        """The guid of the object's browser context; None if the object has none."""
        found = self._objects[guid]
        while found is not None:
            if found._type == "BrowserContext":
                return str(found._guid)
            found = found._parent
        return None
