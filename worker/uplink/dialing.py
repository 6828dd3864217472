"""Dials one balancer with backoff, for workers that no balancer can reach or has listed."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import ClientSession

from slotgrid.backoff import Backoff
from slotgrid.wire import sockets
from slotgrid.wire.encoding import from_balancer
from slotgrid.wire.ending import CloseCode
from slotgrid.wire.link import Link
from slotgrid.wire.messages import FromBalancer

REDIAL = Backoff(first_s=0.5, ceiling_s=10.0)
SETTLED_S = 10.0
"""After a link that lasted longer, the backoff starts again at the first pause."""

log = structlog.get_logger()


async def keep_dialing(
    address: str, key: str, converse: Callable[[Link[FromBalancer]], Awaitable[object]]
) -> None:
    """Keep a link to the balancer at `address`; call `converse` on each new one."""
    loop, tries, complained = asyncio.get_running_loop(), 0, ""
    async with ClientSession() as session:
        while True:
            begun = loop.time()
            try:
                link = await sockets.dial(session, address, key, from_balancer())
            except sockets.LinkRefused as refused:
                if str(refused) != complained:  # logged once, not at each retry
                    complained = str(refused)
                    log.warning("uplink.unreachable", balancer=address, reason=complained)
            else:
                try:
                    await converse(link)
                    complained = ""
                except Exception as error:  # the edge of the loop: the next link may hold
                    link.close(CloseCode.DEFECT, "the worker failed")
                    if str(error) != complained:
                        complained = str(error)
                        log.exception("uplink.defect", balancer=address)
            tries = 1 if loop.time() - begun > SETTLED_S else tries + 1
            await asyncio.sleep(REDIAL.pause_s(tries))
