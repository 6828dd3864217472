"""An address as a download, also one that a browser would show: a page, a picture, a PDF."""

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from playwright.async_api import CDPSession, Error, Page

from slotgrid.url_credentials import split_credentials
from worker.actions.browser_session import first_line
from worker.actions.errors import ActionFailed
from worker.pages.faults import DOWNLOAD, failure_reason

_DISPOSITION = "content-disposition"
_PATTERN = {"requestStage": "Response", "resourceType": "Document"}


class ForcedDownload:
    """Opens an address in a tab of its own and marks the answer as an attachment.

    So the file passes through the browser, with its cookies, its proxy and the traffic guard.
    """

    def __init__(self, page: Page, url: str, *, name: str | None, referer: str | None) -> None:
        self._page = page
        self._url = url
        self._plain = split_credentials(url)[0]
        self._name = name
        self._referer = referer
        self._status: int | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Open the address; the download has begun, or the next event brings it.

        Raises ActionFailed if the address answers with an error, or not at all.
        """
        session = await self._page.context.new_cdp_session(self._page)
        session.on("Fetch.requestPaused", lambda event: self._begin_answer(session, event))
        await session.send("Fetch.enable", {"patterns": [_PATTERN]})
        try:
            await self._page.goto(self._url, wait_until="commit", timeout=0, referer=self._referer)
        except Error as cause:
            reason = failure_reason(cause.message)
            if reason == DOWNLOAD:
                return
            if self._status in (204, 205):
                raise ActionFailed(f"{self._plain} answers {self._status}: no file") from cause
            text = reason or first_line(cause).replace(self._url, self._plain)
            raise ActionFailed(f"{self._plain} cannot be downloaded: {text}") from cause
        raise ActionFailed(f"{self._plain} answers {self._status or 'with a page'}, and no file")

    def _begin_answer(self, session: CDPSession, event: Any) -> None:
        answering = asyncio.create_task(self._answer(session, event), name="mark a download")
        self._answering.add(answering)
        answering.add_done_callback(self._answering.discard)

    async def _answer(self, session: CDPSession, event: Any) -> None:
        given: dict[str, Any] = {"requestId": event["requestId"]}
        status = event.get("responseStatusCode")
        self._status = status
        if status is not None and 200 <= status < 300 and status not in (204, 205):
            headers = event.get("responseHeaders", [])
            own = next((one["value"] for one in headers if one["name"].lower() == _DISPOSITION), "")
            others = [one for one in headers if one["name"].lower() != _DISPOSITION]
            given |= {
                "responseCode": status,
                "responseHeaders": [*others, {"name": _DISPOSITION, "value": self._marked(own)}],
            }
        with suppress(Error):  # the tab is closed
            await session.send("Fetch.continueResponse", given)

    def _marked(self, disposition: str) -> str:
        """The header as that of a file, with the name that it has, or else the link's."""
        _, separator, parameters = disposition.partition(";")
        if "filename" in parameters.lower():
            return f"attachment{separator}{parameters}"
        if self._name:
            return f"attachment; filename*=UTF-8''{quote(self._name, safe='')}"
        return "attachment"
