"""Files rendered as a page."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote

from playwright.async_api import ConsoleMessage, Error, Page, Request, Response

from slotgrid.function import Context, InputRefused, Meta, function
from worker.pages.browser_options import Browser
from worker.pages.context_page import open_context_page, past_proxy
from worker.pages.errors import ElementMissing, PageUnreachable, PictureFailed, PrintFailed
from worker.pages.inputs import LoadTimeoutS, SettleS, WaitFor, Window
from worker.pages.opening import open_page
from worker.pages.paper import Paper, print_page
from worker.pages.pictures import (
    Animations,
    FullPage,
    LoadLazy,
    Look,
    OmitBackground,
    Quality,
    take_picture,
)
from worker.pages.reading import read, title_of
from worker.pages.results import Loaded, PageTitle, Pending, Rendered

from ._file_server import content_type
from .static_server import ServerDown, StaticServer

MAX_COMPLAINTS = 50
"""What a page complains of is kept up to this many lines."""

DOWNLOADED = (
    "application/octet-stream",
    "application/pdf",
    "application/wasm",
    "font/",
    "text/csv",
)
"""Types that a browser downloads, or shows in a viewer, instead of drawing them."""

FilePath = Annotated[str, Meta(min_length=1, max_length=255)]


@dataclass(frozen=True)
class Rendering:
    """The picture or PDF; `complaints` are errors of scripts, and files that were missing."""

    artifact: Rendered
    title: PageTitle
    complaints: Annotated[
        list[str], Meta(description="Errors of scripts, and files that were missing")
    ]
    loaded: Loaded
    pending: Pending


# The server may end between its last health check and this task: the next attempt waits for it.
@function(
    timeout_s=60,
    requires=("static_server",),
    retries=2,
    retry_on=(ServerDown,),
)
async def render(
    context: Context,
    files: Annotated[
        dict[FilePath, str],
        Meta(
            min_length=1,
            max_length=500,
            description="Text files by path: HTML, styles, scripts, SVG",
            examples=[
                {"index.html": "<link rel=stylesheet href=a.css>Hi", "a.css": "*{color:red}"}
            ],
        ),
    ],
    *,
    assets: Annotated[
        dict[FilePath, bytes],
        Meta(max_length=500, description="Other files by path, each in base64: pictures, fonts"),
    ] = {},  # noqa: B006  only read; a schema wants a value for its default
    entry: Annotated[FilePath, Meta(description="Which of the files is the page")] = "index.html",
    output: Annotated[
        Literal["png", "jpeg", "webp", "pdf"], Meta(description="Type of the file to make")
    ] = "png",
    full_page: FullPage = True,
    load_lazy: LoadLazy = True,
    quality: Quality = 80,
    omit_background: OmitBackground = False,
    animations: Animations = "disabled",
    paper: Annotated[Paper, Meta(description="Of a PDF: the fields of `pdf`")] = Paper(),  # noqa: B008  frozen
    viewport: Window = None,
    wait_for: WaitFor = None,
    settle_s: SettleS = 0.5,
    load_timeout_s: LoadTimeoutS = 15,
    browser: Browser = None,
) -> Rendering:
    """Render HTML, styles and scripts given as input to a picture or a PDF, as an artifact.

    The files are served over HTTP on loopback while the task runs, as a site of their own: relative
    addresses, addresses from the root (`/a.css`), fetch, script modules and service workers work.

    Limits:
    - Text is served as UTF-8, whatever it says of itself; files in `assets` as the bytes they are.
    - The entry is HTML, SVG, a picture or text; a PDF or a table (CSV) is no page. Text, Markdown
      too, is drawn as it is written.
    - A picture has the limits of `screenshot`, a PDF those of `pdf`.
    - 500 files of each kind; all of a request is within the node's `REQUEST_BODY_LIMIT`.
    """
    if twice := sorted(files.keys() & assets.keys()):
        raise InputRefused("assets", f"{twice[0]!r} is in `files` too: give each path once")
    contents: dict[str, str | bytes] = {**files, **assets}
    if entry not in contents:
        raise InputRefused(
            "entry", f"{entry!r} is not among the files {_some(contents)}; name the page's file"
        )
    look = Look("png" if output == "pdf" else output, quality, animations, omit_background)
    kind = content_type(entry, is_text=isinstance(contents[entry], str))
    if kind.startswith(DOWNLOADED):
        raise InputRefused(
            "entry", f"{entry!r} ({kind}) is no page: render draws HTML, SVG, pictures, text"
        )
    server: StaticServer = context.service("static_server")
    async with server.serving(contents) as address:
        context.allow_address(address)
        wanted = browser and past_proxy(browser, address)
        page = await open_context_page(context, address, wanted, viewport=viewport)
        complaints = _collect_complaints(page, address)
        try:
            visit = await open_page(
                context,
                address + quote(entry),
                wait_for=wait_for,
                settle_s=settle_s,
                load_timeout_s=load_timeout_s,
            )
        except (ElementMissing, PageUnreachable) as cause:
            await server.require()
            raise type(cause)(str(cause).replace(address, "")) from None

        async def rendered(page: Page) -> tuple[bytes, str]:
            if output == "pdf":
                data = await print_page(visit, paper, url=entry)
            else:
                data = await take_picture(visit, look, full_page=full_page, load_lazy=load_lazy)
            return data, await title_of(page)

        try:
            data, title = await read(visit, rendered)
        except (PageUnreachable, PictureFailed, PrintFailed) as cause:
            raise type(cause)(str(cause).replace(address, "")) from None
    artifact = await context.save(f"render.{output}", data)
    pending = [one.replace(address, "") for one in visit.pending]
    return Rendering(artifact, title, complaints, visit.loaded, pending)


def _some(names: Iterable[str]) -> str:
    """Name at most ten of the files."""
    every = sorted(names)
    more = f" and {len(every) - 10} more" if len(every) > 10 else ""
    return f"{every[:10]}{more}"


def _collect_complaints(page: Page, address: str) -> list[str]:
    """Listen for errors of the page; the list grows as they come."""
    complaints: list[str] = []

    def complain(text: str) -> None:
        if len(complaints) < MAX_COMPLAINTS:
            # What the page calls its own site: a path alone.
            complaints.append(text.replace(address, "").replace(address.rstrip("/"), ""))

    def on_error(error: Error) -> None:
        complain(error.message)

    def on_console(message: ConsoleMessage) -> None:
        # A missing file is told by its response, which unlike the console names it.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complain(message.text)

    def on_response(response: Response) -> None:
        if response.status >= 400:
            complain(f"{response.url}: HTTP {response.status}")

    def on_failed(request: Request) -> None:
        answer = request.existing_response
        if answer is not None and answer.status >= 400:
            return  # told already
        complain(f"{request.url}: {request.failure}")

    page.on("pageerror", on_error)
    page.on("console", on_console)
    page.on("response", on_response)
    page.on("requestfailed", on_failed)
    return complaints
