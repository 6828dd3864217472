"""HTML of a recipe, or of a file of the functions folder, as a page with an origin of its own."""

import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from playwright.async_api import Error, Page, Route

from worker.actions.action_context import ActionContext
from worker.actions.errors import ActionFailed
from worker.actions.function_files import FunctionFiles

ORIGIN = "http://document.slotgrid.invalid"
"""No host can have this name (RFC 6761), so nothing else belongs to the document's origin."""
PARTS = frozenset({"image", "font", "stylesheet", "script", "media"})
"""What a document may load from its folder; what its scripts fetch is not among it."""
LOAD_S = 30.0
_LOADED = """document.readyState === "complete"
    || new Promise(loaded => addEventListener("load", () => loaded(true)))"""


class HtmlDocument:
    """A page of that HTML; its relative addresses are files beside `path`.

    Inline HTML, without a `path`, has no files: its text may be that of a task's caller.
    """

    def __init__(self, files: FunctionFiles, html: str, path: str | None, *, network: bool) -> None:
        self._files = files
        self._html = html
        self._network = network
        self._folder = None if path is None else PurePosixPath(path).parent
        self.url = f"{ORIGIN}/{quote(PurePosixPath(path or 'document.html').name)}"
        self.missing: list[str] = []
        self._served = False

    async def answer(self, route: Route) -> None:
        """Answer a request of the page."""
        request = route.request
        try:
            if request.is_navigation_request() and request.frame.parent_frame is None:
                await self._document(route)
            elif not request.url.startswith(f"{ORIGIN}/"):
                await self._outside(route)
            else:
                await self._beside(route)
        except Error:
            pass  # the page is closed

    async def _document(self, route: Route) -> None:
        """The document itself. One that moves on stays: an answer without content moves nothing."""
        if not self._served:
            self._served = True
            await route.fulfill(body=self._html, content_type="text/html; charset=utf-8")
        else:
            self._miss(route.request.url)
            await route.fulfill(status=204)

    async def _outside(self, route: Route) -> None:
        if self._network:
            await route.continue_()
            return
        self._miss(route.request.url)
        await route.abort("blockedbyclient")

    async def _beside(self, route: Route) -> None:
        name = unquote(urlsplit(route.request.url).path).lstrip("/")
        # Escaped dots (`..%2f`) are no step up for browsers, but would be one for the disk.
        leaves = ".." in PurePosixPath(name).parts
        if self._folder is None or leaves or route.request.resource_type not in PARTS:
            self._miss(name)
            await route.abort("blockedbyclient")
            return
        try:
            data = await self._files.read(str(self._folder / name))
        except ActionFailed:
            self._miss(name)
            await route.abort("failed")
            return
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        await route.fulfill(body=data, content_type=kind)

    def _miss(self, name: str) -> None:
        if len(self.missing) < 50 and name not in self.missing:
            self.missing.append(name)


@asynccontextmanager
async def opened(action: ActionContext, document: HtmlDocument, css: str) -> AsyncIterator[Page]:
    """The document in a tab of its own, loaded; the tab is closed at the end of the block."""
    current = await action.page()
    page = await current.context.new_page()
    try:
        await page.route("**/*", document.answer)
        await action.within(LOAD_S, _loaded(page, document.url), what="the document and its files")
        if css:
            await action.within(
                LOAD_S, page.add_style_tag(content=css), what="the document's scripts"
            )
        yield page
    finally:
        await page.close()


async def _loaded(page: Page, url: str) -> None:
    # Playwright waits for the load of the next document if a script names one, also of none.
    await page.goto(url, wait_until="commit", timeout=0)
    await page.evaluate(_LOADED)
