"""What a page shows, as files: pictures, PDFs, and copies of the page."""

import quopri
from dataclasses import asdict, dataclass, field
from typing import Annotated

from playwright.async_api import Page

from slotgrid.function import Meta
from worker.actions.action import action
from worker.actions.action_context import ActionContext
from worker.actions.current_page import visit_of
from worker.actions.errors import ActionFailed
from worker.actions.faults import in_words
from worker.actions.html_documents import HtmlDocument, opened
from worker.actions.saved_file import FileName, Inline, SavedFile, save_file
from worker.pages.errors import PrintFailed
from worker.pages.inputs import Selector
from worker.pages.page_content import read_content
from worker.pages.paper import (
    Background,
    Landscape,
    Line,
    MarginField,
    Media,
    Outline,
    Pages,
    Paper,
    PaperFormat,
    PreferCssSize,
    Scale,
    Side,
    Tagged,
    print_page,
)
from worker.pages.pictures import (
    Animations,
    FullPage,
    LoadLazy,
    Look,
    OmitBackground,
    PictureFormat,
    Quality,
    take_picture,
)
from worker.pages.reading import read
from worker.pages.results import Loaded, Pending

HTML_MOST = 20_000_000
"""Characters of a page's HTML that are saved."""
COPY_S = 30.0


@dataclass(frozen=True)
class PictureFile(SavedFile):
    """A picture of the page."""

    loaded: Loaded = True
    pending: Pending = field(default_factory=list)


@dataclass(frozen=True)
class DocumentFile(SavedFile):
    """A PDF of the document."""

    missing: Annotated[
        list[str], Meta(description="Files that the document names and did not get")
    ] = field(default_factory=list)


@action
async def screenshot(
    action: ActionContext,
    *,
    selector: Annotated[
        Selector | None, Meta(description="Only the first visible element that it matches, whole")
    ] = None,
    full_page: FullPage = False,
    load_lazy: LoadLazy = True,
    format: PictureFormat = "png",  # noqa: A002  callers' word
    quality: Quality = 80,
    omit_background: OmitBackground = False,
    animations: Animations = "disabled",
    path: FileName = None,
    inline: Inline = False,
) -> PictureFile:
    """Take a picture of the window, of the whole page, or of one element, as an artifact.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: screenshot, with: {full_page: true, path: catalogue.png}}
    ```

    Limits:

    - A PNG has at most 270 million pixels, a JPEG 65,535 pixels a side, a WebP 16,383; more is an
      error, never a part of the page.
    - Files that a whole page has not loaded after 15 s are named in `pending`.
    - A secret that the page shows is in the picture.
    """
    visit = await visit_of(action)

    async def taken(_page: Page) -> bytes:
        return await take_picture(
            visit, look, full_page=full_page, selector=selector, load_lazy=load_lazy
        )

    with in_words(f"the picture of {visit.page.url}"):
        look = Look(format, quality, animations, omit_background)
        picture = await read(visit, taken)
    await action.session.prepare(visit.page)
    saved = await save_file(action, path, f"screenshot.{format}", picture, inline=inline)
    return PictureFile(**asdict(saved), loaded=visit.loaded, pending=visit.pending)


@action
async def pdf(
    action: ActionContext,
    *,
    format: PaperFormat = "A4",  # noqa: A002  callers' word
    width: Side = None,
    height: Side = None,
    landscape: Landscape = False,
    margin: MarginField = "1cm",
    scale: Scale = 1,
    background: Background = True,
    prefer_css_size: PreferCssSize = True,
    pages: Pages = "",
    header: Line = "",
    footer: Line = "",
    media: Media = "print",
    outline: Outline = False,
    tagged: Tagged = False,
    path: FileName = None,
    inline: Inline = False,
) -> SavedFile:
    """Print the page to a PDF, as an artifact.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: pdf, with: {header: "{title}", footer: "Page {page} of {pages}", landscape: true}}
    ```

    Limits:

    - A header or footer needs a margin: a narrower one becomes 12 mm wide.
    - A page whose print style hides everything gives an empty sheet; `media: screen` prints what
      screens show.
    - What is wider than the sheet is cut off on the right, once it has been made smaller by half.
    """
    paper = Paper(
        format,
        width,
        height,
        landscape,
        margin,
        scale,
        background,
        prefer_css_size,
        pages,
        header,
        footer,
        media,
        outline,
        tagged,
    )
    visit = await visit_of(action)

    async def printed(_page: Page) -> bytes:
        return await print_page(visit, paper)

    with in_words(f"the print of {visit.page.url}"):
        document = await read(visit, printed)
    return await save_file(action, path, "page.pdf", document, inline=inline)


@action
async def html_to_pdf(
    action: ActionContext,
    html: Annotated[
        Annotated[str, Meta(max_length=5_000_000)] | None,
        Meta(description="The document, inline"),
    ] = None,
    *,
    file: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1000)] | None,
        Meta(
            description="The document, a file of the functions folder; its relative addresses are "
            "files beside it",
        ),
    ] = None,
    css: Annotated[
        str, Meta(max_length=1_000_000, description="Styles that are added to the document")
    ] = "",
    network: Annotated[
        bool, Meta(description="Let the document load from other addresses too")
    ] = False,
    paper: Annotated[Paper, Meta(description="The parameters of `pdf`")] = Paper(),  # noqa: B008  frozen
    path: FileName = None,
    inline: Inline = False,
) -> DocumentFile:
    """Print HTML to a PDF, as an artifact, in a tab of its own; the current tab stays as it is.

    Example:

    ```yaml
    - action: html_to_pdf
      with:
        html: "<h1>Invoice 17</h1><p>Twelve pens</p>"
        css: "h1 { color: navy }"
        paper: {format: A5, footer: "{page} of {pages}"}
        path: invoice.pdf
    ```

    Limits:

    - The document has an origin of its own, without cookies. Its scripts run.
    - A file loads pictures, fonts, styles, scripts and films from its own folder and below; its
      scripts fetch nothing there. Inline HTML has no folder: use `data:` addresses.
    - What it did not get is named in `missing`.
    """
    if (html is None) == (file is None):
        raise ActionFailed("give either `html` or `file`")
    text = html if html is not None else await action.files.read_text(str(file))
    document = HtmlDocument(action.files, text, file, network=network)
    async with opened(action, document, css) as page:
        try:
            data = await print_page(await visit_of(action, page), paper, url="")
        except PrintFailed as cause:
            raise ActionFailed(str(cause).replace(document.url, "the document")) from cause
    saved = await save_file(action, path, "document.pdf", data, inline=inline)
    return DocumentFile(**asdict(saved), missing=document.missing)


@action
async def save_mhtml(
    action: ActionContext,
    *,
    path: FileName = None,
    inline: Inline = False,
) -> SavedFile:
    """Save the page with its pictures and styles as one MHTML file, which Chromium can open.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: save_mhtml, with: {path: catalogue.mhtml}}
    ```

    Limits:

    - Scripts are left out: the copy shows what the page showed.
    - A page that shows a secret of the task is not saved: MHTML cannot be redacted.
    """
    page = await action.page()
    cdp = await action.session.cdp(page)
    what = f"a copy of {page.url}"
    taking = cdp.send("Page.captureSnapshot", {"format": "mhtml"})
    with in_words(what):
        snapshot = await action.within(COPY_S, taking, what=what)
    text = str(snapshot["data"])
    if action.context.has_secrets:
        plain = quopri.decodestring(text.encode("utf-8", "replace")).decode("utf-8", "replace")
        if action.context.hide(plain) != plain:
            raise ActionFailed("the page shows a secret of the task, so no MHTML of it is saved")
    return await save_file(action, path, "page.mhtml", _encoded(text), inline=inline)


@action
async def save_html(
    action: ActionContext,
    *,
    path: FileName = None,
    inline: Inline = False,
) -> SavedFile:
    """Save the HTML of the page as its scripts have made it, with its open shadow roots.

    Example:

    ```yaml
    - {action: goto, with: {url: "{{ input.site }}/catalogue"}}
    - {action: save_html, with: {path: catalogue.html}}
    ```

    Limits:

    - Addresses stay as they are: pictures and styles are loaded from their site when the file is
      opened. `save_mhtml` has them within.
    - Frames are left out. At most 20 million characters; more is an error.
    """
    visit = await visit_of(action)

    async def content(page: Page) -> str:
        found = await read_content(page, part="all", format="html", max_chars=HTML_MOST)
        if found.truncated:
            raise ActionFailed(f"the page's HTML has more than {HTML_MOST} characters")
        return found.content

    what = f"a copy of {visit.page.url}"
    with in_words(what):
        html = await action.within(COPY_S, read(visit, content), what=what)
    shown = str(action.context.hide(html))
    return await save_file(action, path, "page.html", _encoded(shown), inline=inline)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # a page may have lone surrogates
