"""A worker that is killed, as by `kill -9`, when it comes to a given point for the n-th time.

`python -m tests.harness.processes.faulty_node [POINT N]`. The points are set here, around the parts
of the node, so that the node itself knows nothing of them.
"""

import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import ClientRequest

from slotgrid.backoff import Backoff
from slotgrid.durable.due_work import DueWork
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.durable.recorded_runner import RecordedRunner
from slotgrid.records.store import acceptance
from slotgrid.webhooks import deliveries
from slotgrid.webhooks.deliveries import WebhookDeliveries
from slotgrid.webhooks.sender import WebhookSender
from worker.__main__ import main
from worker.runner import LocalRunner

SOON_S = 0.4
"""Between attempts, where the schedule of the product waits for seconds."""

Dying = Callable[[], None]


def dying_at(count: int) -> Dying:
    """To be called at the point: does not return from the call of that number, nor after it."""
    lock, left = threading.Lock(), count

    def pass_by() -> None:
        nonlocal left
        with lock:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()

    return pass_by


def before(owner: Any, name: str, die: Dying) -> None:
    """Die when that method is called."""
    method = getattr(owner, name)

    def dying(*args: Any, **named: Any) -> Any:
        die()
        return method(*args, **named)

    setattr(owner, name, dying)


def after(owner: Any, name: str, die: Dying) -> None:
    """Die when that method returns."""
    method = getattr(owner, name)

    def dying(*args: Any, **named: Any) -> Any:
        answer = method(*args, **named)
        die()
        return answer

    setattr(owner, name, dying)


def after_awaiting(owner: Any, name: str, die: Dying) -> None:
    """Die when that coroutine method has come to its end."""
    method: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def dying(*args: Any, **named: Any) -> Any:
        answer = await method(*args, **named)
        die()
        return answer

    setattr(owner, name, dying)


POINTS: Mapping[str, Callable[[Dying], None]] = {
    "inserted, not committed": partial(after, acceptance, "insert"),
    "committed, not answered": partial(after_awaiting, DurableTasks, "accept"),
    "leased": partial(before, RecordedRunner, "run"),
    "started": partial(before, LocalRunner, "run"),
    "result computed": partial(before, DurableTasks, "ended"),
    "result recorded": partial(before, DueWork, "wake"),
    "webhook claimed": partial(before, WebhookDeliveries, "act"),
    "webhook sent": partial(after_awaiting, ClientRequest, "write_bytes"),
    "attempt made": partial(after_awaiting, WebhookSender, "send"),
    "between attempts": partial(after_awaiting, WebhookDeliveries, "act"),
}


if __name__ == "__main__":
    setattr(deliveries, "BACKOFF", Backoff(SOON_S, 3600.0, factor=4.0))  # noqa: B010
    if len(sys.argv) == 3:
        POINTS[sys.argv[1]](dying_at(int(sys.argv[2])))
    del sys.argv[1:]
    sys.exit(main())
