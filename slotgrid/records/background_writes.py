"""Background writes: kept until they are done, however long the database is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from slotgrid.backoff import Backoff
from slotgrid.core.errors import DatabaseUnavailable

log = structlog.get_logger()

RETRY = Backoff(first_s=0.5, ceiling_s=15.0)
OUTCOME_S = 15
"""How long a caller waits for the outcome of its write. This is longer than a write waits to begin,
so that `outcome-unknown` is returned only for a begun write."""
LAST_WRITES_S = 10.0
"""Time limit for pending writes at the end of the process."""

T = TypeVar("T")


async def retry_until_written(do: Callable[[], Awaitable[T]], task_id: str) -> T:
    """Retry `do` with backoff until it succeeds."""
    tries = 0
    while True:
        try:
            return await do()
        except DatabaseUnavailable:
            tries += 1
        except Exception:  # any error: giving up would lose a task
            log.exception("durable.write_failed", task_id=task_id)
            tries += 1
        await asyncio.sleep(RETRY.pause_s(tries))


async def outcome(writing: "asyncio.Task[T]") -> T:
    """The result of a write; if the caller is cancelled, the write continues.

    Raises DatabaseUnavailable, also if the outcome is still unknown after OUTCOME_S.
    """
    for _ in range(OUTCOME_S):  # a suspended process counts its pause as one second
        done, _ = await asyncio.wait({writing}, timeout=1.0)
        if done and not writing.cancelled():
            return writing.result()
        if done:
            break
    raise DatabaseUnavailable(
        "the database has not confirmed the request yet, which may still take effect; send it again"
        " to learn what became of it, a submission with the same Idempotency-Key",
        reason="outcome-unknown",
        retry_after_s=5,
    )


class BackgroundWrites:
    """The background writes in progress."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()

    @property
    def under_way(self) -> int:
        """Number of writes in progress."""
        return len(self._under_way)

    def keep(self, work: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        """Run a write in the background and hold it until it is done."""
        writing = asyncio.get_running_loop().create_task(work, name=f"durable: {name}")
        self._under_way.add(writing)
        writing.add_done_callback(self._under_way.discard)
        # Retrieve the exception, as the waiting caller may be cancelled.
        writing.add_done_callback(lambda done: done.cancelled() or done.exception())
        return writing

    async def finish(self) -> None:
        """Wait for pending writes up to LAST_WRITES_S; later ones are lost, as in a crash."""
        deadline = time.monotonic() + LAST_WRITES_S
        while self._under_way and (left_s := deadline - time.monotonic()) > 0:
            await asyncio.wait(set(self._under_way), timeout=left_s)
        if lost := set(self._under_way):
            log.error("durable.unwritten", writes=sorted(each.get_name() for each in lost))
            for writing in lost:
                writing.cancel()
            await asyncio.wait(lost, timeout=1.0)
