"""A balancer that is killed, as by `kill -9`, when one of its flows comes to a given point.

`python -m tests.harness.processes.faulty_balancer POINT N`: at the n-th time.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial

from balancer.__main__ import main
from balancer.flows.flow_run import FlowRun
from balancer.flows.flows import Flows
from slotgrid.durable.durable_tasks import DurableTasks
from slotgrid.durable.recorded_runner import RecordedRunner
from slotgrid.records.store import flow_children, flow_rows
from tests.harness.processes.dying import Dying, after, after_awaiting, before, dying_at

POINTS: Mapping[str, Callable[[Dying], None]] = {
    "accepted": partial(after_awaiting, DurableTasks, "accept"),
    "begun, not committed": partial(after, flow_rows, "begin"),
    "begun": partial(before, FlowRun, "result"),
    "items recorded, not committed": partial(after, flow_rows, "expand"),
    "step passed over, not committed": partial(after, flow_rows, "end_step"),
    "step started, not committed": partial(after, flow_children, "start"),
    "step started": partial(after_awaiting, DurableTasks, "start_steps"),
    "step's task begins": partial(before, RecordedRunner, "run"),
    "step's result arrived": partial(before, DurableTasks, "ended"),
    "step ended, not committed": partial(after, flow_children, "end"),
    "step ended": partial(before, Flows, "child_ended"),
    "every step ended": partial(before, FlowRun, "_result"),
    "flow's end computed": partial(before, Flows, "after"),
    "flow ended, not committed": partial(after, flow_rows, "end_flow"),
    "flow ended": partial(before, Flows, "flow_ended"),
    "what follows taken, not committed": partial(after, flow_rows, "take_follower"),
}


if __name__ == "__main__":
    POINTS[sys.argv[1]](dying_at(int(sys.argv[2])))
    del sys.argv[1:]
    sys.exit(main())
