"""Connections to checked addresses: those that a host was resolved to, and no others."""

import asyncio
import ssl
from collections.abc import Sequence

from aiohappyeyeballs import start_connection

from worker.guard.rules import AddrInfo
from worker.guard.streams import Stream

CONNECT_S = 30.0
"""Seconds to connect. Chromium itself gives up after four minutes, most pages' readers sooner."""
NEXT_ADDRESS_S = 0.25
"""Seconds after which the next address is tried beside the first (RFC 8305, section 5)."""


async def dial(
    addresses: Sequence[AddrInfo], *, tls: ssl.SSLContext | None = None, host: str | None = None
) -> Stream:
    """Connect to the first of the addresses that answers; with `tls`, as `host`.

    Raises OSError; TimeoutError, which is one, after CONNECT_S.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_S):
        connected = await start_connection(
            list(addresses), happy_eyeballs_delay=NEXT_ADDRESS_S, loop=loop
        )
        try:
            _, stream = await loop.create_connection(
                Stream, sock=connected, ssl=tls, server_hostname=host if tls else None
            )
        except BaseException:
            connected.close()
            raise
    return stream
