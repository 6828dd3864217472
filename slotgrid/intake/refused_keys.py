"""The audit log's lines about wrong keys: few of them, however many an attacker sends."""

import time
from collections.abc import Callable

import structlog
from aiohttp import web

from slotgrid.intake.caller_address import address_of

log = structlog.get_logger()

EVERY_S = 10.0
"""Between two lines; those between are counted."""


class RefusedKeys:
    """Logs refused keys at most once in EVERY_S."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at = self._clock()
        self._untold = 0

    def note(self, address: str | None, reason: str) -> None:
        """Log or count one refusal."""
        now = self._clock()
        if now < self._next_at:
            self._untold += 1
            return
        log.warning("audit.key_refused", address=address, reason=reason, others=self._untold)
        self._next_at, self._untold = now + EVERY_S, 0


REFUSED_KEYS = web.AppKey("refused_keys", RefusedKeys)


def note_refusal(request: web.Request, reason: str) -> None:
    """Note a wrong key of the request."""
    request.config_dict[REFUSED_KEYS].note(address_of(request), reason)
