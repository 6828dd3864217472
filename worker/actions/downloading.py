"""One download, from what begins it to the artifact of the task."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated

from playwright.async_api import Error, Page

from slotgrid.function import Meta
from slotgrid.url_credentials import split_credentials
from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.faults import in_words
from worker.actions.forced_download import ForcedDownload
from worker.actions.saved_file import SavedFile
from worker.actions.seen_downloads import SeenDownload, SeenDownloads
from worker.pages.downloads import save_download
from worker.pages.errors import DownloadFailed

CLOSE_S = 5.0


@dataclass(frozen=True)
class DownloadedFile(SavedFile):
    """A download as an artifact of the task."""

    id: Annotated[str, Meta(description="Id of the download")] = ""
    source: Annotated[str, Meta(description="Address that sent it, 2,000 characters at most")] = ""


async def save_begun(action: ActionContext, begun: SeenDownload, seconds: float) -> DownloadedFile:
    """The file as an artifact. Raises ActionFailed."""
    name = begun.file.suggested_filename
    try:
        work = save_download(action.context, begun.file)
        kept = await action.within(seconds, work, what=f"the end of the download {name!r}")
    except (DownloadFailed, ActionFailed, Error) as cause:
        begun.error = str(cause) if not isinstance(cause, Error) else "its tab was closed"
        raise ActionFailed(f"{begun.error} ({begun.source[:300]})") from cause
    begun.artifact = kept
    return DownloadedFile(
        kept.name, kept.size, kept.url, kept.content_type, None, begun.id, begun.source
    )


async def download_address(
    action: ActionContext,
    url: str,
    begin_s: float,
    file_s: float,
    *,
    name: str | None = None,
    referer: str | None = None,
) -> DownloadedFile:
    """The file at an address, which a tab of its own opens."""
    seen = action.session.part(SeenDownloads)
    plain = split_credentials(url)[0]
    is_page = referer is not None and referer.startswith("http")
    async with _own_tab(action) as tab:
        since = len(seen.seen)
        forced = ForcedDownload(tab, url, name=name, referer=referer if is_page else None)
        await action.within(begin_s, forced.begin(), what=f"the answer of {plain}")
        begun = await action.within(begin_s, _of_tab(seen, tab, since), what=f"the file of {plain}")
        return await save_begun(action, begun, file_s)


async def _of_tab(seen: SeenDownloads, tab: Page, since: int) -> SeenDownload:
    """The download that this tab has begun, and not another one of the same moment."""
    while True:
        begun = await seen.next(since)
        if begun.file.page is tab:
            return begun
        begun.is_taken = False
        since += 1


async def download_by_click(
    action: ActionContext, page: Page, selector: str, number: int, seconds: float
) -> DownloadedFile:
    """The file that a click on one of the matches begins. Raises ActionFailed."""
    seen = action.session.part(SeenDownloads)
    since, tabs = len(seen.seen), set(page.context.pages)
    with in_words(f"element {number + 1} of {selector!r}"):
        clicked = page.locator(selector).nth(number)
        await clicked.click(timeout=action.limit_s(seconds) * 1000)
    begun = await action.within(seconds, seen.next(since), what="a download after the click")
    try:
        return await save_begun(action, begun, seconds)
    finally:
        await close_empty_tabs(page, tabs)


@asynccontextmanager
async def _own_tab(action: ActionContext) -> AsyncIterator[Page]:
    page = await action.page()
    tab = await page.context.new_page()
    try:
        yield tab
    finally:
        with suppress(Error, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await tab.close()


async def close_empty_tabs(page: Page, before: set[Page]) -> None:
    """Close the tabs that a click has opened for the file only: they stay empty."""
    for tab in page.context.pages:
        if tab not in before and tab.url in ("", "about:blank"):
            with suppress(Error, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await tab.close()
