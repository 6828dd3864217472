"""A worker that is killed, as by `kill -9`, when it comes to a given point for the n-th time.

`python -m tests.harness.processes.faulty_node [POINT N]`. The points are set here, around the parts
of the node, so that the node itself knows nothing of them.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial

from aiohttp import ClientRequest

from slotgrid.backoff import Backoff
from slotgrid.durable.due_work import DueWork
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.durable.recorded_runner import RecordedRunner
from slotgrid.records.store import acceptance
from slotgrid.webhooks import deliveries
from slotgrid.webhooks.deliveries import WebhookDeliveries
from slotgrid.webhooks.sender import WebhookSender
from tests.harness.processes.dying import Dying, after, after_awaiting, before, dying_at
from worker.__main__ import main
from worker.runner import LocalRunner

SOON_S = 0.4
"""Between attempts, where the schedule of the product waits for seconds."""

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
