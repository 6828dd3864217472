"""Files as answers."""

import asyncio

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest


class FileAnswer(web.FileResponse):
    """A file of the disk.

    It is opened in a thread; aiohttp alone forgets to close it when the caller hangs up, and so
    cancels the handler, at that moment.
    """

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Send it. Cancelled, it ends as soon as the connection does, with the file closed."""
        sending = asyncio.ensure_future(super().prepare(request))
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.gather(sending, return_exceptions=True)
            raise
