"""Downloads: files that pages send, as artifacts of the task."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from playwright.async_api import Error

from slotgrid.core.errors import Violation
from slotgrid.function import Meta
from worker.actions.action import ParametersInvalid, action
from worker.actions.action_context import ActionContext
from worker.actions.captured_bodies import body_of, name_of, running_capture
from worker.actions.downloading import (
    DownloadedFile,
    close_empty_tabs,
    download_address,
    download_by_click,
    save_begun,
)
from worker.actions.errors import ActionFailed, StepTimeout
from worker.actions.faults import in_words, selector_fault
from worker.actions.saved_file import SavedFile, save_file
from worker.actions.seen_downloads import (
    DownloadState,
    SeenDownloads,
)
from worker.actions.targets import Target, find, on_target
from worker.pages.inputs import Selector, Url

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
    page = await action.page(url or "")
    seen = action.session.part(SeenDownloads)
    if url is not None:
        return await download_address(action, url, begin_timeout_s, file_timeout_s)
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
        return await save_begun(action, begun, file_timeout_s)
    finally:
        await close_empty_tabs(page, tabs)


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
                work = download_address(
                    action,
                    link["url"],
                    timeout_s,
                    timeout_s,
                    name=link["name"],
                    referer=page.url,
                )
            else:
                work = download_by_click(action, page, selector, number, timeout_s)
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
        return await save_begun(action, begun, timeout_s)
    for one in seen.seen:
        if one.id == id:
            if one.artifact is not None:
                raise ActionFailed(f"{id} is saved already, as {one.artifact.name!r}")
            one.is_taken = True
            return await save_begun(action, one, timeout_s)
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
    given = await running_capture(action) if entries is None else entries
    files, skipped = list[SavedFile](), 0
    for number, entry in enumerate(given, 1):
        body = body_of(entry)
        if body is None or len(files) >= CAPTURES_MOST:
            skipped += 1
            continue
        name = name_of(naming, number, entry, body)
        files.append(await save_file(action, None, name, body))
    return SavedCaptures(files, skipped)
