"""The memory limit: holds back leases while the machine or container has too little free memory."""

import asyncio
from collections.abc import Callable

import structlog

from slotgrid.core.slots import Slots

log = structlog.get_logger()

INTERVAL_S = 1.0
HYSTERESIS_PERCENT = 2.0
"""Distance below the limit at which leases are given again, so that the state does not flap."""


async def guard_memory(
    slots: Slots,
    *,
    limit_percent: float,
    used_percent: Callable[[], float],
    changed: Callable[[], None],
) -> None:
    """Watch memory for as long as the worker runs.

    `changed` is called when leases are held back and when they are given again.
    """
    while True:
        used = await asyncio.to_thread(used_percent)
        if slots.held is None and used >= limit_percent:
            slots.held = f"memory is {used:.0f} % used, the limit is {limit_percent:g} %"
            log.warning("slots.held", reason=slots.held)
            changed()
        elif slots.held is not None and used < limit_percent - HYSTERESIS_PERCENT:
            slots.held = None
            log.info("slots.released", memory_used_percent=round(used, 1))
            changed()
        await asyncio.sleep(INTERVAL_S)
