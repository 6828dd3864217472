"""PDFs: their paper, lines, ranges, and what cannot be printed."""

import io
from datetime import UTC, datetime
from typing import Any

import pypdf
import pytest

from functions.pdf import pdf
from tests.functions.fakes import RecordingContext
from tests.site.fixtures import Site
from worker.pages.errors import PrintFailed
from worker.pages.paper import FORMATS_MM, Margins, Paper, in_mm

MM = 25.4 / 72
"""A point in millimetres."""


async def printed(context: RecordingContext, url: str, **fields: Any) -> pypdf.PdfReader:
    """Print, and read what was saved."""
    await pdf(context, url, **fields)
    return pypdf.PdfReader(io.BytesIO(context.saved["page.pdf"]))


def size_mm(document: pypdf.PdfReader) -> tuple[int, int]:
    """Of the first sheet, which is rounded to points."""
    box = document.pages[0].mediabox
    return round(float(box.width) * MM), round(float(box.height) * MM)


def is_tagged(document: pypdf.PdfReader) -> bool:
    """Whether the document says that it has its structure."""
    mark: Any = document.root_object.get("/MarkInfo", {})
    return bool(mark.get("/Marked", False))


async def test_a_pdf_is_printed_with_the_print_style(context: RecordingContext, site: Site) -> None:
    document = await pdf(context, site.at("/pages/print.html"))
    paper = pypdf.PdfReader(io.BytesIO(context.saved["page.pdf"]))
    assert (document.title, document.status) == ("On paper", 200)
    assert [page.extract_text().split()[-2:] for page in paper.pages] == [
        ["First", "sheet"],
        ["Second", "sheet"],
        ["Third", "sheet"],
    ]
    first = paper.pages[0]
    assert "Only on paper" in first.extract_text()
    assert "screen" not in first.extract_text()
    assert size_mm(paper) == (148, 210)  # A5, by the page's own @page rule

    paper = await printed(context, site.at("/pages/print.html"), prefer_css_size=False, pages="2-3")
    assert (len(paper.pages), size_mm(paper)) == (2, (210, 297))
    screen = await printed(context, site.at("/pages/print.html"), media="screen")
    assert "Only on paper" not in screen.pages[0].extract_text()
    page = await context.page()
    assert await page.evaluate("matchMedia('screen').matches")


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (210, 297)),
        ({"format": "A0"}, (841, 1189)),
        ({"format": "A6", "landscape": True}, (148, 105)),
        ({"format": "Letter"}, (216, 279)),
        ({"format": "Ledger"}, (432, 279)),
        ({"format": "Ledger", "landscape": True}, (432, 279)),
        ({"width": "10cm", "height": "20cm"}, (100, 200)),
        ({"width": "10cm", "height": "20cm", "landscape": True}, (200, 100)),
        ({"width": "20cm", "height": "100mm", "landscape": True}, (200, 100)),
        ({"width": "4in"}, (102, 297)),
        ({"height": "144pt", "margin": "0"}, (210, 51)),
    ],
)
async def test_the_sheet_has_the_size_that_was_asked_for(
    context: RecordingContext, site: Site, fields: dict[str, Any], size: tuple[int, int]
) -> None:
    document = await printed(context, site.at("/pages/article.html"), **fields)
    assert size_mm(document) == pytest.approx(size, abs=1)


async def test_margins_are_those_of_each_side(context: RecordingContext, site: Site) -> None:
    for margin, left, top in (
        ("1cm", 10, 10),
        ("0", 0, 0),
        (Margins(left="30mm", top="2in"), 30, 50.8),
    ):
        document = await printed(context, site.at("/tall?height_px=99"), margin=margin)
        found: list[tuple[float, float]] = []

        def note(operator: bytes, operands: Any, matrix: Any, _text: Any) -> None:
            if operator == b"re":
                x, y = (float(one) for one in operands[:2])
                found.append((x * matrix[0] + matrix[4], y * matrix[3] + matrix[5]))  # noqa: B023

        page = document.pages[0]
        page.extract_text(visitor_operand_before=note)
        box = page.mediabox
        assert any(
            abs(x * MM - left) < 1 and abs((float(box.height) - y) * MM - top) < 1 for x, y in found
        ), (margin, found)


async def test_headers_and_footers_are_on_each_sheet(context: RecordingContext, site: Site) -> None:
    url = site.at("/pages/print.html")
    document = await printed(
        context, url, header="<b>{title}</b> & more", footer="{page}/{pages} {date} {url} <5>",
        margin="0",
    )  # fmt: skip
    today = datetime.now(UTC).date().isoformat()
    for number, page in enumerate(document.pages, 1):
        text = " ".join(page.extract_text().split())
        assert f"On paper & more {number}/3 {today} {url} <5>" in text
    only = await printed(context, url, footer="{page}")
    assert "On paper" not in only.pages[0].extract_text()


async def test_a_line_covers_no_text(context: RecordingContext, site: Site) -> None:
    """Also on a page whose own rule leaves no margin."""
    page = await context.page()
    await page.add_init_script(
        "addEventListener('load', () => document.head.insertAdjacentHTML("
        "'beforeend', '<style>@page{margin:0}</style>'))"
    )
    document = await printed(context, site.at("/arrived"), header="LINE", margin="0")
    heights: dict[str, float] = {}

    def note(text: str, matrix: Any, at: Any, _font: Any, _size: Any) -> None:
        if text.strip():
            heights[text.strip()] = matrix[5] + at[5] * matrix[3]

    sheet = document.pages[0]
    sheet.extract_text(visitor_text=note)
    line = heights.pop("LINE")
    top = float(sheet.mediabox.height)
    assert top - line < 12 / MM
    assert all(top - height > 12 / MM for height in heights.values()), heights


async def test_ranges_are_open_or_closed_and_must_exist(
    context: RecordingContext, site: Site
) -> None:
    url = site.at("/pages/print.html")
    for pages, sheets in (("1", 1), ("2-", 2), ("1, 3", 2), ("2-9", 2), ("1-2,2-3", 3)):
        assert len((await printed(context, url, pages=pages)).pages) == sheets, pages
    with pytest.raises(PrintFailed, match="pages: the document ends before '4-5' begins"):
        await pdf(context, url, pages="4-5")
    for pages in ("0", "3-2", "1, 0-2"):
        with pytest.raises(ValueError, match="is no range; pages count from 1"):
            await pdf(context, url, pages=pages)


async def test_an_outline_and_tags_are_there_when_asked_for(
    context: RecordingContext, site: Site
) -> None:
    url = site.at("/pages/article.html")
    plain = await printed(context, url)
    assert (plain.outline, is_tagged(plain)) == ([], False)
    tagged = await printed(context, url, tagged=True)
    assert is_tagged(tagged)
    outlined = await printed(context, url, outline=True)
    assert next(getattr(one, "title", None) for one in outlined.outline) == "On tides"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"margin": "11cm"}, r"leaves 0.0 mm of the paper's width of 210.0 mm; 5 mm"),
        ({"width": "1px"}, "of the paper's width"),
        ({"margin": Margins(top="20cm", bottom="20cm")}, "of the paper's height of 297.0 mm"),
        ({"format": "A6", "height": "2cm", "header": "x", "margin": "9mm"}, "leaves 0.0 mm"),
    ],
)
def test_margins_that_leave_no_room_are_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Paper(**fields)


def test_lengths_have_units() -> None:
    assert [in_mm(one) for one in ("0", "1in", "72pt", "96px", "1.5cm", ".5mm")] == pytest.approx(
        [0, 25.4, 25.4, 25.4, 15, 0.5]
    )
    for length in ("1", "cm", "1 cm", "-1cm", "1.cm", "1em"):
        with pytest.raises(ValueError, match="is no length like `1cm`"):
            in_mm(length)
    assert all(width > 0 and height > 0 for width, height in FORMATS_MM.values())


async def test_a_page_that_is_busy_is_given_up(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pages.paper.PRINT_S", 1.0)
    page = await context.page()
    await page.add_init_script("addEventListener('beforeprint', () => { for (;;); })")
    with pytest.raises(PrintFailed, match="was not printed within 1 s: its scripts are busy"):
        await pdf(context, site.at("/arrived"))
