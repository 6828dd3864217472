"""Keeps a connection to another node: dials again with backoff whenever it has ended."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from slotgrid.backoff import Backoff

REDIAL = Backoff(first_s=0.2, ceiling_s=5.0)
STABLE_S = 10.0
"""After a connection that lasted longer, the next dial is immediate and the backoff begins again.
Longer than the time limits of dial and handshake together."""

log = structlog.get_logger()


class DialFailed(Exception):
    """The connection could not be opened; the text is the reason in one sentence."""


async def keep_dialling(
    attempt: Callable[[], Awaitable[bool]], *, kind: str, **fields: str
) -> None:
    """Run `attempt`, which dials and serves once, again and again until it returns False.

    Waits with backoff after a connection that did not last. Errors are logged as events of `kind`
    with `fields`, each once and not at every retry.
    """
    loop = asyncio.get_running_loop()
    failures = 0
    complaint: str | None = None
    while True:
        began = loop.time()
        try:
            if not await attempt():
                return
            complaint = None
        except Exception as error:  # the edge of the loop: the next link may hold
            if str(error) != complaint:
                complaint = str(error)
                if isinstance(error, DialFailed):
                    log.warning(f"{kind}.unreachable", reason=complaint, **fields)
                else:
                    log.exception(f"{kind}.defect", **fields)
        failures = 0 if loop.time() - began > STABLE_S else failures + 1
        if failures:
            await asyncio.sleep(REDIAL.pause_s(failures))
