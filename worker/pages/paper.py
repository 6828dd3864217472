"""A page on paper: what a caller may ask of a PDF, and the print itself."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Annotated, Literal

import msgspec
from playwright.async_api import Error, Page

from slotgrid.function import InputRefused, Meta
from worker.pages.errors import PrintFailed
from worker.pages.visits import Visit

_NUMBER = r"(\d+|\d*\.\d+)"
Length = Annotated[
    str,
    Meta(
        pattern=rf"^(0|{_NUMBER}(px|in|cm|mm|pt))$",
        max_length=20,
        description="A length with its unit: px, in, cm, mm or pt",
        examples=["1cm"],
    ),
]
PaperFormat = Annotated[
    Literal["A0", "A1", "A2", "A3", "A4", "A5", "A6", "Letter", "Legal", "Tabloid", "Ledger"],
    Meta(description="Size of the sheet"),
]
Side = Annotated[
    Length | None,
    Meta(description="A length such as `10cm` (px, in, cm, mm or pt), instead of the format's"),
]
Landscape = Annotated[bool, Meta(description="The longer side is the width")]
Scale = Annotated[
    float, Meta(ge=0.1, le=2, description="How large the page is drawn; 0.5 is half its size")
]
Background = Annotated[bool, Meta(description="Print colours and pictures behind text")]
PreferCssSize = Annotated[
    bool, Meta(description="Let the page's own `@page { size }` win over the paper given here")
]
Pages = Annotated[
    str,
    Meta(
        pattern=r"^(\d+(-\d*)?(, ?\d+(-\d*)?)*)?$",
        max_length=1000,
        description="Which pages, in the document's order, such as `1-3, 5, 9-`; empty for all",
        examples=["1-3, 5, 9-"],
    ),
]
Margin = Literal["top", "right", "bottom", "left"]
Line = Annotated[
    str,
    Meta(
        max_length=20_000,
        description="On each sheet: text or, if it begins with `<`, HTML with styles of its own "
        "and pictures as `data:`. `{page}`, `{pages}`, `{title}`, `{url}`, `{date}` are filled in",
        examples=["Page {page} of {pages}"],
    ),
]
Media = Annotated[
    Literal["print", "screen"], Meta(description="Whose styles: those for paper or for screens")
]
Outline = Annotated[bool, Meta(description="Bookmarks from the headings; also makes it tagged")]
Tagged = Annotated[bool, Meta(description="Accessible: with the structure of the document")]

FORMATS_MM = {
    "A0": (841, 1189),
    "A1": (594, 841),
    "A2": (420, 594),
    "A3": (297, 420),
    "A4": (210, 297),
    "A5": (148, 210),
    "A6": (105, 148),
    "Letter": (215.9, 279.4),
    "Legal": (215.9, 355.6),
    "Tabloid": (279.4, 431.8),
    "Ledger": (431.8, 279.4),
}
_IN_MM = {"px": 25.4 / 96, "in": 25.4, "cm": 10, "mm": 1, "pt": 25.4 / 72}

LINE_MARGIN_MM = 12.0
"""The least margin beside a header or footer: Chromium draws their first line within it."""
MIN_ROOM_MM = 5.0
"""The least width and height that margins leave for the page."""
PRINT_S = 50.0
"""Seconds that a print may take; 200 sheets took less than one."""

_LINE = (
    '<div style="width:100%;box-sizing:border-box;padding:0 {right}mm 0 {left}mm;'
    'font:8pt sans-serif;color:#333;text-align:center">{content}</div>'
)
_BLANK = "<span></span>"  # an empty template is Chromium's own header: date and title
_PLACE = re.compile(r"\{(page|pages|title|url|date)\}")
_COUNTERS = {
    "page": '<span class="pageNumber"></span>',
    "pages": '<span class="totalPages"></span>',
}
# A page's own `@page { margin: 0 }` wins over the margins of a print, and lines would cover text.
# A constructed sheet is not subject to the page's content security policy.
_SET_MARGINS = """css => {
    const sheet = new CSSStyleSheet()
    sheet.replaceSync(css)
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
}"""
_UNSET_MARGINS = "() => { document.adoptedStyleSheets = document.adoptedStyleSheets.slice(0, -1) }"


# Structs, as a dataclass would ignore an unknown name.
class Margins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The margins of a sheet, side by side."""

    top: Length = "1cm"
    right: Length = "1cm"
    bottom: Length = "1cm"
    left: Length = "1cm"


MarginField = Annotated[
    Length | Margins,
    Meta(
        description="A length such as `1cm` (px, in, cm, mm or pt) for all sides, or an object of "
        "sides"
    ),
]


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is printed, on which paper. The page's own `@page { size }` wins unless told not to."""

    format: PaperFormat = "A4"
    width: Side = None
    height: Side = None
    landscape: Landscape = False
    margin: MarginField = "1cm"
    scale: Scale = 1
    background: Background = True
    prefer_css_size: PreferCssSize = True
    pages: Pages = ""
    header: Line = ""
    footer: Line = ""
    media: Media = "print"
    outline: Outline = False
    tagged: Tagged = False

    def __post_init__(self) -> None:
        """Raise InputRefused for what cannot be printed."""
        for part in re.split(", ?", self.pages) if self.pages else ():
            first, dash, last = part.partition("-")
            if int(first) < 1 or (dash and last and int(last) < int(first)):
                raise InputRefused(
                    "pages", f"pages: {part!r} is no range; pages count from 1, as in `2-5`"
                )
        width, height = self.size_mm()
        margins = self.margins_mm()
        for name, side, room in (
            ("width", width, width - margins["left"] - margins["right"]),
            ("height", height, height - margins["top"] - margins["bottom"]),
        ):
            if room < MIN_ROOM_MM:
                raise InputRefused(
                    "margin",
                    f"margin: it leaves {max(0.0, room):.1f} mm of the paper's {name} of "
                    f"{side:.1f} mm; {MIN_ROOM_MM:g} mm are the least",
                )

    def size_mm(self) -> tuple[float, float]:
        """Width and height of the sheet."""
        width, height = (
            in_mm(given) if given else side
            for given, side in zip((self.width, self.height), FORMATS_MM[self.format], strict=True)
        )
        return (height, width) if self.landscape and width < height else (width, height)

    def margins_mm(self) -> dict[Margin, float]:
        """The margins, each wide enough for its line."""
        given = self.margin
        if isinstance(given, str):
            given = Margins(given, given, given, given)
        least: Mapping[Margin, float] = {
            "top": LINE_MARGIN_MM if self.header else 0,
            "bottom": LINE_MARGIN_MM if self.footer else 0,
        }
        sides: tuple[Margin, ...] = ("top", "right", "bottom", "left")
        return {side: max(in_mm(getattr(given, side)), least.get(side, 0)) for side in sides}


def in_mm(length: str) -> float:
    """Return a length in millimetres. Raises ValueError for what is no length."""
    found = re.fullmatch(rf"(?:0|{_NUMBER}(px|in|cm|mm|pt))", length)
    if found is None:
        raise ValueError(f"{length!r} is no length like `1cm`, with px, in, cm, mm or pt")
    return float(found[1]) * _IN_MM[found[2]] if found[1] else 0.0


async def print_page(visit: Visit, paper: Paper, *, url: str | None = None) -> bytes:
    """Print the page to a PDF. `url` is what its lines name instead of the page's address.

    Raises PrintFailed with the reason.
    """
    page = visit.page
    limit_s = max(1.0, min(PRINT_S, visit.waits.deadline.remaining_s - 1))
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            return await _print(page, paper, page.url if url is None else url)
    except TimeoutError as cause:
        if not limit.expired():
            raise
        raise PrintFailed(
            f"{page.url} was not printed within {limit_s:.0f} s: its scripts are busy, or it is "
            "too long; `pages` prints a part"
        ) from cause


async def _print(page: Page, paper: Paper, url: str) -> bytes:
    kind, title = await page.evaluate("[document.contentType, document.title]")
    if kind == "application/pdf":
        raise PrintFailed(f"{page.url} is a PDF already: its file is a download, not a print")
    values = {"title": title, "url": url, "date": datetime.now(UTC).date().isoformat()}
    margins = paper.margins_mm()
    width, height = paper.size_mm()
    lined = [f"margin-{side}:{margins[side]:.2f}mm!important" for side in _lined(paper)]
    if paper.media == "screen":
        await page.emulate_media(media="screen")
    if lined:
        await page.evaluate(_SET_MARGINS, f"@page{{{';'.join(lined)}}}")
    try:
        return await page.pdf(
            width=f"{width:.3f}mm",
            height=f"{height:.3f}mm",
            margin={side: f"{length:.3f}mm" for side, length in margins.items()},  # type: ignore[arg-type]  # a TypedDict
            scale=paper.scale,
            print_background=paper.background,
            prefer_css_page_size=paper.prefer_css_size,
            page_ranges=paper.pages.replace(" ", ""),
            outline=paper.outline,
            tagged=paper.tagged or paper.outline,
            display_header_footer=bool(paper.header or paper.footer),
            header_template=_template(paper.header, margins, values),
            footer_template=_template(paper.footer, margins, values),
        )
    except Error as cause:
        raise _reason(cause, paper) from cause
    finally:
        if lined:
            await page.evaluate(_UNSET_MARGINS)
        if paper.media == "screen":
            await page.emulate_media(media="null")


def _lined(paper: Paper) -> list[Margin]:
    """The sides that have a line."""
    lines: tuple[tuple[Margin, str], ...] = (("top", paper.header), ("bottom", paper.footer))
    return [side for side, line in lines if line]


def _template(line: str, margins: Mapping[Margin, float], values: Mapping[str, str]) -> str:
    """Return what Chromium draws; without a size its text would have none."""
    if not line:
        return _BLANK
    content = line if line.lstrip().startswith("<") else escape(line)
    content = _PLACE.sub(lambda at: _COUNTERS.get(at[1]) or escape(values[at[1]]), content)
    return _LINE.format(content=content, left=margins["left"], right=margins["right"])


def _reason(error: Error, paper: Paper) -> Exception:
    """Say in our words why the browser did not print."""
    message = error.message
    if "Page range" in message:
        return PrintFailed(f"pages: the document ends before {paper.pages!r} begins")
    if "content area is empty" in message:
        return PrintFailed(
            "margin: with the page's own `@page` rule it leaves no room on the paper"
        )
    return error
