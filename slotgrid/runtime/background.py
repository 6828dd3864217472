"""Background loops: each has an owner, a name and an end, and the service stops if one dies."""

import asyncio
import errno
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.get_logger()

Loop = Callable[[], Coroutine[Any, Any, None]]
"""Makes the coroutine of an endless loop; called again after a shortage."""
OnDeath = Callable[[str, BaseException | None], None]

SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Transient errors: file descriptors or memory are used up at this moment."""
SHORTAGE_PAUSE_S = 1.0
SHORTAGE_OVER_S = 60.0


@asynccontextmanager
async def background(
    loop: Loop,
    *,
    name: str,
    on_death: OnDeath | None = None,
    stop_within_s: float = 5.0,
) -> AsyncIterator[asyncio.Task[None]]:
    """Run an endless loop as an asyncio task named `name` while the block runs.

    A loop that raises or returns before the block ends is dead: its death is logged, and `on_death`
    is called with the name and the error (None if it returned). Without `on_death`, the event
    loop's exception handler is called, which `stop_on_death` installs. After a shortage of
    descriptors or memory the loop restarts.
    At the end the task is cancelled and awaited for at most `stop_within_s`; its errors are logged.
    """
    running = asyncio.get_running_loop()
    task = running.create_task(through_shortages(loop, name=name), name=name)
    ending = False

    def ended(task: asyncio.Task[None]) -> None:
        # Always retrieved, so that asyncio does not report it a second time.
        error = None if task.cancelled() else task.exception()
        if ending:
            if error is not None:
                log.error("background.failed_at_its_end", background=name, exc_info=error)
            return
        log.critical("background.died", background=name, exc_info=error)
        if on_death is not None:
            on_death(name, error)
        else:
            _notify_loop(running, name, error)

    task.add_done_callback(ended)
    try:
        yield task
    finally:
        ending = True
        task.cancel()
        _, stuck = await asyncio.wait({task}, timeout=stop_within_s)
        if stuck:
            log.error("background.stuck", background=name, after_s=stop_within_s)


async def through_shortages(loop: Loop, *, name: str) -> None:
    """Run the loop, and restart it after a shortage of descriptors or memory.

    Each shortage is logged once. Raises all other errors of the loop.
    """
    failed_at = -math.inf
    while True:
        try:
            return await loop()
        except OSError as error:
            if error.errno not in SHORTAGES:
                raise
            now = time.monotonic()
            if now - failed_at > SHORTAGE_OVER_S:
                log.warning("background.shortage", background=name, error=str(error))
            failed_at = now
            await asyncio.sleep(SHORTAGE_PAUSE_S)


def stop_on_death(stop: Callable[[str], None]) -> None:
    """Call `stop` with the reason, once, when a background loop of the running event loop dies.

    Replaces the event loop's exception handler; other errors go to the previous handler. For use
    at the start of the process: `stop` begins the clean shutdown of the service.
    """
    running = asyncio.get_running_loop()
    before = running.get_exception_handler()
    stopping = False

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal stopping
        if "background" in context:
            if not stopping:
                stopping = True
                stop(context["message"])
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    running.set_exception_handler(handle)


def _notify_loop(
    running: asyncio.AbstractEventLoop, name: str, error: BaseException | None
) -> None:
    how = "ended by itself" if error is None else f"failed: {type(error).__name__}: {error}"
    context: dict[str, Any] = {"message": f"background loop {name} {how}", "background": name}
    if error is not None:
        context["exception"] = error
    running.call_exception_handler(context)
