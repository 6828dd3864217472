"""Drain: refuse new tasks, finish the live ones within a deadline, report the outcomes.

What starts a drain, and the exit of the process after it: `slotgrid/node/serving.py`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task

CLEANUP_S = 10.0
"""The wait after the deadline: more than cancelled tasks and their slots need to end."""


@dataclass(frozen=True, slots=True)
class DrainReport:
    """The result of a drain: tasks by outcome, and the ids of the cancelled ones."""

    outcomes: Counter[str]
    cancelled: tuple[str, ...]


async def drain(
    status: NodeStatus,
    supervisor: Supervisor,
    *,
    deadline_s: float,
    on_end: Callable[[Task], None],
    release: Callable[[], None] = lambda: None,
) -> DrainReport:
    """Refuse new tasks, wait for the live ones, cancel the rest; call `on_end` with each.

    `release` drops the durable tasks that have not started: they stay recorded.
    """
    status.move_to(NodeState.DRAINING)  # new tasks are refused from this line on
    release()
    tasks = list(supervisor.live)
    idle = asyncio.ensure_future(supervisor.wait_idle())
    await asyncio.wait({idle}, timeout=deadline_s)
    late = [task for task in supervisor.live if not task.state.terminal]
    for task in late:
        supervisor.cancel(task, "the node was drained and its deadline passed")
    await asyncio.wait({idle}, timeout=CLEANUP_S)
    idle.cancel()
    for task in tasks:
        on_end(task)
    outcomes = Counter(str(task.state) for task in tasks)
    return DrainReport(outcomes, tuple(task.id for task in late))
