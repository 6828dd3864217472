"""How a node ends: it refuses, finishes what it has within a deadline, and says how it went."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from slotgrid.core.node import NodeState, NodeStatus
from slotgrid.core.supervisor import Supervisor
from slotgrid.core.task import Task

WIND_UP_S = 10.0
"""After the deadline: what cancelled tasks and their slots need at most, and some."""


@dataclass(frozen=True, slots=True)
class DrainReport:
    """How a drain ended: tasks by outcome, and those that had to be cancelled."""

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
    """Refuse new tasks, wait for the live ones, cancel the rest; `on_end` gets each of them.

    `release` lets go of durable tasks that have not started: they are recorded.
    """
    status.move_to(NodeState.DRAINING)  # new tasks are refused from this line on
    release()
    tasks = list(supervisor.live)
    idle = asyncio.ensure_future(supervisor.wait_idle())
    await asyncio.wait({idle}, timeout=deadline_s)
    late = [task for task in supervisor.live if not task.state.terminal]
    for task in late:
        supervisor.cancel(task, "the node was drained and its deadline passed")
    await asyncio.wait({idle}, timeout=WIND_UP_S)
    idle.cancel()
    for task in tasks:
        on_end(task)
    outcomes = Counter(str(task.state) for task in tasks)
    return DrainReport(outcomes, tuple(task.id for task in late))
