"""Downloads: files that pages send, as artifacts of the task."""

import asyncio
import base64
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from playwright.async_api import Error, Page

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.captured_requests import Exchange
from worker.actions.errors import ActionFailed, StepTimeout
from worker.actions.faults import in_words, selector_fault
from worker.actions.forced_download import ForcedDownload
from worker.actions.network import Running
from worker.actions.saved_file import SavedFile, save_file
from worker.actions.seen_downloads import (
    DownloadState,
    SeenDownload,
    SeenDownloads,
)
from worker.actions.targets import Target, find, on_target
from worker.pages.downloads import save_download
from worker.pages.errors import DownloadFailed
from worker.pages.inputs import Selector, Url

CLOSE_S = 5.0
LINKS_MOST = 1000
CAPTURES_MOST = 1000

FileS = Annotated[
    float, Meta(gt=0, le=86400, description="Seconds for the file, from its first byte to its last")
]
BeginS = Annotated[
    float, Meta(ge=0, le=86400, description="Seconds within which a download has to begin")
]

# What a link leads to: an address of the network that can be opened in a tab of its own, or null
# for one that has to be clicked, such as a blob, a script, or a place in the page itself.
_LINKS = r"""elements => elements.map(element => {
  const link = element.closest("a[href], area[href]");
  const text = (element.textContent || "").trim().slice(0, 200);
  if (!link) return {url: null, name: null, text};
  const here = location.href.split("#")[0];
  const isPlace = link.href.split("#")[0] === here && link.getAttribute("href").includes("#");
  const url = /^https?:/.test(link.href) && !isPlace ? link.href : null;
  const isOwn = url !== null && new URL(url).origin === location.origin;
  return {url, name: isOwn && link.getAttribute("download") || null, text};
})"""


@dataclass(frozen=True)
class DownloadedFile(SavedFile):
    """A download as an artifact of the task."""

    id: Annotated[str, Meta(description="Id of the download")] = ""
    source: Annotated[str, Meta(description="Address that sent it, 2,000 characters at most")] = ""


@dataclass(frozen=True)
class FailedDownload:
    """A link that gave no file."""

    source: Annotated[str, Meta(description="Its address, or its text if it has none")]
    error: str


@dataclass(frozen=True)
class DownloadedFiles:
    """The files, in the order of their links."""

    files: list[DownloadedFile]
    failed: list[FailedDownload]
    links: Annotated[int, Meta(description="How many elements matched")]
    truncated: Annotated[bool, Meta(description="Whether `max_files` left some out")]


@dataclass(frozen=True)
class DownloadList:
    """The downloads of the task, oldest first."""

    downloads: list[DownloadState]
    truncated: Annotated[bool, Meta(description="Whether there were more than are kept")]


@dataclass(frozen=True)
class SavedCaptures:
    """The bodies that were saved, in the order of their requests."""

    files: list[SavedFile]
    skipped: Annotated[int, Meta(description="Requests without a body, or with a part of it")]


@action
@on_target(optional=True)
async def download(
    action: ActionContext,
    target: Target,
    *,
    url: Annotated[
        Url | None, Meta(description="Address of the file, in place of an element to click")
    ] = None,
    begin_timeout_s: BeginS = 10,
    file_timeout_s: FileS = 300,
) -> DownloadedFile:
    """Click an element, or open an address, and save the file that comes.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/sending/whole?name=Report.pdf"}}
    - {action: download, with: {text: The file}}
    - {action: download, with: {url: "{{ input.site }}/downloads/small.csv"}}
    ```

    Limits:

    - An address is opened in a tab of its own, and saved whatever it is, a page too. An answer of
      400 or more is an error.
    - A click that begins several downloads gives the first; `wait_for_download` gives the next.
    - The name is the server's; a name that the task has already gets a number.
    """
    if (url is None) == (not target.is_given):
        message = "give `url`, or an element to click, and not both"
        raise ParametersInvalid("download", [Violation("/url" if url else "", message)])
    page = await action.page()
    seen = action.session.part(SeenDownloads)
    if url is not None:
        return await _of_address(action, url, begin_timeout_s, file_timeout_s)
    found = await find(action, page, target)
    since = len(seen.seen)
    tabs = set(page.context.pages)
    with in_words(found.what):
        await found.locator.click(timeout=action.limit_s(target.timeout_s) * 1000)
    try:
        what = f"a download after the click on {found.what}"
        begun = await action.within(begin_timeout_s, seen.next(since), what=what)
    except StepTimeout as timeout:
        raise StepTimeout(
            f"{timeout}; the tab shows {page.url}. For a file that the browser shows instead of "
            "saving it, give its address as `url`"
        ) from timeout
    try:
        return await _saved(action, begun, file_timeout_s)
    finally:
        await _close_empty(page, tabs)


@action
async def download_each(
    action: ActionContext,
    selector: Annotated[Selector, Meta(description="The links, or buttons, that give the files")],
    *,
    max_files: Annotated[int, Meta(ge=1, le=LINKS_MOST, description="Links, at most")] = 100,
    timeout_s: Annotated[
        float, Meta(gt=0, le=86400, description="Seconds for each file, from its click to its end")
    ] = 30,
    continue_on_error: Annotated[
        bool, Meta(description="List a link that gives no file in `failed`, and go on")
    ] = False,
) -> DownloadedFiles:
    """Save the file of every link that the selector matches, one after the other.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/sending/each"}}
    - {action: download_each, with: {selector: "a.file", continue_on_error: true}}
    ```

    Limits:

    - A link with an address is opened in a tab of its own, so the page stays as it is; what has
      none (a button, a blob, a script) is clicked.
    - Two links to one file give two artifacts.
    - A selector that matches nothing gives an empty list.
    """
    page = await action.page()
    locator = page.locator(selector)
    try:
        links: list[dict[str, Any]] = await locator.evaluate_all(_LINKS)
    except Error as cause:
        raise selector_fault(f"selector {selector!r}", cause) or cause from cause
    files, failed = list[DownloadedFile](), list[FailedDownload]()
    for number, link in enumerate(links[:max_files]):
        source = (link["url"] or link["text"])[:2000]
        try:
            if link["url"] is not None:
                work = _of_address(
                    action,
                    link["url"],
                    timeout_s,
                    timeout_s,
                    name=link["name"],
                    referer=page.url,
                )
            else:
                work = _of_click(action, page, selector, number, timeout_s)
            files.append(await action.within(timeout_s, work, what=f"the file of {source}"))
        except ActionFailed as fault:
            if not continue_on_error or action.context.deadline.remaining_s < 1:
                raise ActionFailed(
                    f"{fault} (link {number + 1} of {len(links)}; {len(files)} files are saved)"
                ) from fault
            failed.append(FailedDownload(source, str(fault)))
    return DownloadedFiles(files, failed, len(links), len(links) > max_files)


@action
async def wait_for_download(
    action: ActionContext,
    *,
    id: Annotated[  # noqa: A002  the word of `list_downloads`
        Annotated[str, Meta(pattern="^download-[0-9]{1,6}$")] | None,
        Meta(description="Of `list_downloads`; without it, the oldest that is not saved yet"),
    ] = None,
    timeout_s: Annotated[
        float, Meta(gt=0, le=86400, description="Seconds for its beginning, and for its file")
    ] = 300,
) -> DownloadedFile:
    """Wait for a download that something else begins or has begun, and save its file.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/sending/whole?name=Report.pdf"}}
    - {action: click, with: {text: The file}}
    - {action: wait_for_download}
    ```
    """
    await action.page()
    seen = action.session.part(SeenDownloads)
    if id is None:
        begun = await action.within(timeout_s, seen.next(), what="a download")
        return await _saved(action, begun, timeout_s)
    for one in seen.seen:
        if one.id == id:
            if one.artifact is not None:
                raise ActionFailed(f"{id} is saved already, as {one.artifact.name!r}")
            one.is_taken = True
            return await _saved(action, one, timeout_s)
    raise ActionFailed(f"no download {id!r} has begun; list_downloads has all")


@action
async def list_downloads(action: ActionContext) -> DownloadList:
    """List the downloads that the task's pages have begun, and what became of each.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/sending/whole?name=Report.pdf"}}
    - {action: click, with: {text: The file}}
    - {action: wait_for_download}
    - {action: list_downloads}
    ```

    Limits:

    - At most 1,000 downloads are kept.
    """
    await action.page()
    seen = action.session.part(SeenDownloads)
    states = await asyncio.gather(*(one.state() for one in seen.seen))
    return DownloadList(list(states), seen.truncated)


@action
async def save_captures(
    action: ActionContext,
    entries: Annotated[
        list[dict[str, Any]] | None,
        Meta(description="Of `capture_stop`; without it the running capture ends here"),
    ] = None,
    *,
    naming: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            description="Name of each file: {id} (number of the request), {name} and {ext} (of the "
            "address), {mime}, {size}, {ts} (when it began)",
        ),
    ] = "{id}-{name}.{ext}",
) -> SavedCaptures:
    """Save the bodies of captured requests as artifacts.

    Example:

    ```yaml
    - action: capture_start
      with: {include_bodies: true, max_body_bytes: 1000000, url: "*.svg"}
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: save_captures}
    ```

    Limits:

    - `capture_start` needs `include_bodies`. A body that it cut is left out, and counted in
      `skipped`.
    - At most 1,000 files.
    """
    given = await _running(action) if entries is None else entries
    files, skipped = list[SavedFile](), 0
    for number, entry in enumerate(given, 1):
        body = _body_of(entry)
        if body is None or len(files) >= CAPTURES_MOST:
            skipped += 1
            continue
        name = _name_of(naming, number, entry, body)
        files.append(await save_file(action, None, name, body))
    return SavedCaptures(files, skipped)


async def _running(action: ActionContext) -> list[dict[str, Any]]:
    running = action.session.part(Running)
    if running.capture is None:
        raise ActionFailed("no capture is running: begin one with capture_start, or give `entries`")
    capture, running.capture = running.capture, None
    return [_plain(entry) for entry in await capture.stop()]


def _plain(entry: Exchange) -> dict[str, Any]:
    return vars(entry)


def _body_of(entry: dict[str, Any]) -> bytes | None:
    if entry.get("body_truncated"):
        return None
    text, encoded = entry.get("body"), entry.get("body_base64")
    if isinstance(text, str):
        return text.encode(errors="replace")
    if not isinstance(encoded, str):
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as cause:
        raise ActionFailed(f"`body_base64` of {entry.get('url')} is not base64: {cause}") from cause


def _name_of(naming: str, number: int, entry: dict[str, Any], body: bytes) -> str:
    path = PurePosixPath(unquote(urlsplit(str(entry.get("url", ""))).path))
    headers = entry.get("response_headers") or {}
    mime = str(headers.get("content-type", "")).partition(";")[0].strip().lower()
    guessed = mimetypes.guess_extension(mime) or ".bin"
    tokens = {
        "id": str(number),
        "name": path.stem or "index",
        "ext": (path.suffix or guessed).removeprefix("."),
        "mime": mime.replace("/", "-") or "unknown",
        "size": str(len(body)),
        "ts": str(entry.get("started_at", "")).replace(":", ""),
    }
    for token, value in tokens.items():
        naming = naming.replace(f"{{{token}}}", value)
    return naming


async def _saved(action: ActionContext, begun: SeenDownload, seconds: float) -> DownloadedFile:
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


async def _of_address(
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
    is_page = referer is not None and referer.startswith("http")
    async with _own_tab(action) as tab:
        since = len(seen.seen)
        forced = ForcedDownload(tab, url, name=name, referer=referer if is_page else None)
        await action.within(begin_s, forced.begin(), what=f"the answer of {url}")
        begun = await action.within(begin_s, _of_tab(seen, tab, since), what=f"the file of {url}")
        return await _saved(action, begun, file_s)


async def _of_tab(seen: SeenDownloads, tab: Page, since: int) -> SeenDownload:
    """The download that this tab has begun, and not another one of the same moment."""
    while True:
        begun = await seen.next(since)
        if begun.file.page is tab:
            return begun
        begun.is_taken = False
        since += 1


async def _of_click(
    action: ActionContext, page: Page, selector: str, number: int, seconds: float
) -> DownloadedFile:
    seen = action.session.part(SeenDownloads)
    since, tabs = len(seen.seen), set(page.context.pages)
    with in_words(f"element {number + 1} of {selector!r}"):
        clicked = page.locator(selector).nth(number)
        await clicked.click(timeout=action.limit_s(seconds) * 1000)
    begun = await action.within(seconds, seen.next(since), what="a download after the click")
    try:
        return await _saved(action, begun, seconds)
    finally:
        await _close_empty(page, tabs)


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


async def _close_empty(page: Page, before: set[Page]) -> None:
    """Close the tabs that a click has opened for the file only: they stay empty."""
    for tab in page.context.pages:
        if tab not in before and tab.url in ("", "about:blank"):
            with suppress(Error, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await tab.close()
