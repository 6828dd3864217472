"""The choice among workers with a free slot: each has a rank, and the smallest goes first.

`routing.py` decides which workers are candidates for a task.
"""

from slotgrid.wire.message_parts import System

Rank = tuple[float, ...]
LOAD_STEP = 0.1
"""Smaller differences of load are noise of one second, and would change every worker's rank."""


def rank(*, free: int, size: int, weight: float, system: System, chance: float) -> Rank:
    """The rank of a worker with `free` slots in a pool of `size`; the smallest is first.

    Largest share of free slots times weight, then the least load. Ties break by `chance`, a random
    number, or several balancers would all choose the same worker.
    """
    load = max(system.cpu_percent, system.memory_percent) / 100
    return (-free / size * weight, round(load / LOAD_STEP), chance)
