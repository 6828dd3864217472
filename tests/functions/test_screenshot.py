"""Pictures: of the window, the page, an element; lazy, tall, moving, without fonts."""

import math
import re

import pytest

from functions.screenshot import screenshot
from tests.functions.fakes import RecordingContext
from tests.harness.pictures import Picture, decode
from tests.site.fixtures import Site
from tests.site.pictures import band_colour
from worker.pages.errors import ElementMissing, PictureFailed
from worker.pages.inputs import Viewport
from worker.pages.pictures import PictureFormat

WHITE = (255, 255, 255, 255)


async def shown(
    context: RecordingContext, *points: tuple[int, int], name: str = "screenshot.png"
) -> Picture:
    """What was saved."""
    return await decode(context.browser_context, context.saved[name], points)


async def test_a_picture_has_the_size_of_the_window_the_page_or_the_element(
    context: RecordingContext, site: Site
) -> None:
    page = site.at("/tall?height_px=3000")
    shot = await screenshot(context, page, viewport=Viewport(640, 400))
    assert (shot.title, shot.status, shot.artifact.name) == ("Tall", 200, "screenshot.png")
    picture = await shown(context)
    assert (picture.width, picture.height) == (640, 400)
    await screenshot(context, page, full_page=True)
    picture = await shown(context, (0, 2999))
    assert (picture.width, picture.height) == (640, 3000)
    assert picture.colours == [(*band_colour(29), 255)]
    formats: list[PictureFormat] = ["jpeg", "webp"]
    for format_ in formats:
        await screenshot(context, page, selector="p", format=format_, quality=90)
        picture = await shown(context, (5, 50), name=f"screenshot.{format_}")
        assert (picture.width, picture.height) == (640, 100)
        assert math.dist(picture.colours[0], (*band_colour(0), 255)) < 6


@pytest.mark.parametrize("kind", ["native", "observer", "debounced", "background", "frames"])
async def test_all_that_is_lazy_is_there(context: RecordingContext, site: Site, kind: str) -> None:
    shot = await screenshot(context, site.at(f"/lazy?kind={kind}"), full_page=True)
    picture = await shown(context, *((30, 300 * n + 30) for n in range(40)))
    assert picture.height == 40 * 300
    assert [n for n, colour in enumerate(picture.colours) if colour == WHITE] == []
    assert (shot.loaded, shot.pending) == (True, [])
    page = await context.page()
    assert await page.evaluate("scrollY") == 0


async def test_lazy_loading_can_be_left_out(context: RecordingContext, site: Site) -> None:
    await screenshot(context, site.at("/lazy?kind=observer"), full_page=True, load_lazy=False)
    picture = await shown(context, (30, 39 * 300 + 30))
    assert picture.colours == [WHITE]
    assert site.hits["/images/39.svg"] == 0


async def test_a_picture_that_never_comes_is_named(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pages.pictures.LAZY_S", 3.0)
    monkeypatch.setattr("worker.pages.pictures.FILES_S", 0.3)
    shot = await screenshot(context, site.at("/lazy?hang=39"), full_page=True)
    assert (shot.loaded, shot.pending) == (False, [site.at("/slow/hang")])
    picture = await shown(context, (30, 38 * 300 + 30), (30, 39 * 300 + 30))
    assert [colour == WHITE for colour in picture.colours] == [False, True]


@pytest.mark.parametrize(
    ("width", "height", "scale"),
    [(1280, 20_000, 1), (400, 70_000, 1), (10_000, 9000, 1), (500, 20_050, 1.5), (300, 9000, 2)],
)
async def test_tall_and_wide_pages_are_whole(
    context: RecordingContext, site: Site, width: int, height: int, scale: float
) -> None:
    browser = context.browser_context.browser
    assert browser is not None
    context.browser_context = await browser.new_context(
        viewport={"width": 300, "height": 300}, device_scale_factor=scale
    )
    url = site.at(f"/tall?height_px={height}&width_px={width}")
    await screenshot(context, url, full_page=True)
    numbers = range(-(-height // 100))
    middles = [(int((width - 5) * scale), int((100 * n + 25) * scale)) for n in numbers]
    picture = await shown(context, *middles)
    assert (picture.width, picture.height) == (width * scale, height * scale)
    assert [n for n in numbers if picture.colours[n] != (*band_colour(n), 255)] == []
    element = await context.browser_context.new_page()
    await element.close()
    await screenshot(context, url, selector="#all")
    picture = await shown(context, *middles)
    assert (picture.width, picture.height) == (width * scale, height * scale)
    assert [n for n in numbers if picture.colours[n] != (*band_colour(n), 255)] == []


@pytest.mark.parametrize(
    ("format_", "height", "limit"),
    [
        ("png", 900_000, "640 x 900000 pixels; a png can have 1000000 a side and 270 million"),
        ("jpeg", 66_000, "a jpeg can have 65535 a side and 100 million in all: take png, a pdf"),
        ("webp", 17_000, "a webp can have 16383 a side"),
    ],
)
async def test_a_picture_that_cannot_be_whole_is_refused(
    context: RecordingContext, site: Site, format_: str, height: int, limit: str
) -> None:
    url = site.at(f"/tall?height_px=100&width_px={640}")
    page = await context.page()
    await page.add_init_script(
        f"addEventListener('load', () => document.body.style.height = '{height}px')"
    )
    for where in ({"full_page": True}, {"selector": "body"}):
        with pytest.raises(PictureFailed, match=re.escape(limit)):
            await screenshot(context, url, format=format_, viewport=Viewport(640, 400), **where)  # type: ignore[arg-type]


async def test_fonts_that_never_come_are_replaced(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pages.pictures.FILES_S", 0.5)
    for query in ("", "?after_ms=600", "?repeat"):
        shot = await screenshot(
            context,
            site.at(f"/hanging-font{query}"),
            wait_until="domcontentloaded",
            settle_s=0,
            delay_s=0.7,
        )
        picture = await shown(context, *((x, 30) for x in range(0, 300, 2)))
        assert any(colour[:3] < (100, 100, 100) for colour in picture.colours), query
        if query != "?repeat":
            assert not shot.loaded
            assert site.at("/slow/hang?1") in shot.pending


@pytest.mark.parametrize("scroller", ["main", "body"])
async def test_a_page_that_scrolls_inside_is_shown_whole(
    context: RecordingContext, site: Site, scroller: str
) -> None:
    url = site.at(f"/application?scroller={scroller}")
    await screenshot(context, url, full_page=True)
    picture = await shown(context, (9, 9), (9, 60), (9, 4040), (30, 4080), (9, 4130))
    assert (picture.width, picture.height) == (1280, 50 + 8 * 500 + 64 + 30)
    header, first, last, lazy, footer = picture.colours
    assert (header, footer) == ((0, 0, 200, 255), (0, 200, 0, 255))
    assert (first, last) == ((200, 0, 0, 255), (200, 140, 0, 255))
    assert lazy != WHITE
    await screenshot(context, url, selector="main")
    picture = await shown(context, (9, 4000 - 10))
    assert (picture.height, picture.colours) == (4064, [(200, 140, 0, 255)])
    page = await context.page()
    assert page.viewport_size == {"width": 1280, "height": 720}


@pytest.mark.parametrize("scroller", ["none", "fixed"])
async def test_a_picture_holds_no_blank_part_for_what_is_cut_off(
    context: RecordingContext, site: Site, scroller: str
) -> None:
    await screenshot(context, site.at(f"/application?scroller={scroller}"), full_page=True)
    picture = await shown(context, (9, 640))
    assert (picture.width, picture.height) == (1280, 720)
    assert picture.colours == [(200, 20, 0, 255)]


async def test_a_window_has_a_highest_height(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pages.unfolding.MAX_WINDOW_PX", 1000)
    with pytest.raises(PictureFailed, match="would be 4144 pixels high; 1000 are the most"):
        await screenshot(context, site.at("/application"), full_page=True)


async def test_elements_that_move_hide_or_are_elsewhere(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.pages.elements.FIND_S", 0.5)
    url = site.at("/motion")
    for selector, size, colour in (
        ("#moving", (100, 50), (200, 0, 0, 255)),
        ("#fading", (100, 50), (0, 200, 0, 255)),
        ("#shadowed", (70, 30), (200, 200, 0, 255)),
        ("#inframe", (60, 40), (0, 0, 200, 255)),
        ("xpath=//div", (100, 50), (200, 0, 0, 255)),
    ):
        await screenshot(context, url, selector=selector)
        picture = await shown(context, (5, 5))
        assert ((picture.width, picture.height), picture.colours) == (size, [colour]), selector
    await screenshot(context, url, selector=".twin")
    for selector, why in (
        ("#gone", "showed none of the 1 elements that match '#gone' within 0.5 s"),
        ("#flat", "showed none of the 1 elements that match '#flat'"),
        ("#ghost", "showed no element that matches '#ghost'"),
    ):
        with pytest.raises(ElementMissing, match=why):
            await screenshot(context, url, selector=selector)
    with pytest.raises(ValueError, match="'li\\[' is not a valid selector"):
        await screenshot(context, url, selector="li[")


async def test_animations_end_or_run(context: RecordingContext, site: Site) -> None:
    await screenshot(context, site.at("/motion"))
    assert (await shown(context, (5, 55))).colours == [(0, 200, 0, 255)]
    await screenshot(context, site.at("/motion"), animations="allow")
    assert (await shown(context, (5, 55))).colours != [(0, 200, 0, 255)]


async def test_the_background_can_be_left_out(context: RecordingContext, site: Site) -> None:
    for format_ in ("png", "webp"):
        await screenshot(context, site.at("/motion"), format=format_, omit_background=True)
        picture = await shown(context, (600, 600), name=f"screenshot.{format_}")
        assert picture.colours == [(0, 0, 0, 0)]
    with pytest.raises(ValueError, match="a JPEG cannot be transparent"):
        await screenshot(context, site.at("/motion"), format="jpeg", omit_background=True)


async def test_a_document_without_a_body_has_a_picture(
    context: RecordingContext, site: Site
) -> None:
    await screenshot(context, site.at("/drawing.svg"), full_page=True)
    picture = await shown(context, (5, 1495))
    assert (picture.height, picture.colours) == (1500, [(0, 200, 0, 255)])


async def test_a_busy_page_is_given_up(
    context: RecordingContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("LAZY_S", "FILES_S", "CAPTURE_S"):
        monkeypatch.setattr(f"worker.pages.pictures.{limit}", 0.4)
    url = site.at("/pages/busy-later.html")
    for full_page in (False, True):
        with pytest.raises(PictureFailed, match=r"gave no picture within (0\.4|1) s"):
            await screenshot(context, url, settle_s=0, delay_s=1, full_page=full_page)
        await (await context.page()).close()
