"""What a page says: which part is read, and how."""

import itertools

from functions.page_text import page_text
from tests.functions.fakes import RecordingContext
from tests.site.fixtures import Site
from tests.site.transfers import SAMPLES


async def test_text_is_what_readers_of_the_main_part_see(
    context: RecordingContext, site: Site
) -> None:
    read = await page_text(context, site.at("/pages/article.html"))
    assert read.content.splitlines()[0] == "On tides"
    assert "It pulls at the water.\nThe water follows." in read.content
    assert "high  06:10\nlow   12:25" in read.content
    for unseen in ("Nobody sees", "not for readers", "Subscribe", "switch scripts", "Home"):
        assert unseen not in read.content
    assert (read.title, read.language) == ("On tides | The Harbour Review", "en-GB")
    assert read.description == "Why the sea comes and goes."
    assert not read.truncated


async def test_html_and_single_elements_can_be_read_and_are_bounded(
    context: RecordingContext, site: Site
) -> None:
    address = site.at("/pages/late.html")
    html = await page_text(context, address, format="html", wait_for="#items .item")
    assert html.content.startswith('<main id="app"><p id="greeting">Here at last</p>')
    aside = await page_text(context, site.at("/pages/article.html"), selector="aside")
    assert aside.content == "Subscribe to our letter"
    large = await page_text(context, site.at("/large?size_mb=2"), max_chars=1000)
    assert (len(large.content), large.truncated) == (1000, True)


async def test_text_in_any_encoding_arrives_whole(context: RecordingContext, site: Site) -> None:
    for charset, told_by in itertools.product(SAMPLES, ("header", "meta")):
        read = await page_text(context, site.at(f"/encoded/{charset}/{told_by}"))
        assert (read.content, read.title) == (SAMPLES[charset].text, SAMPLES[charset].text)
        assert read.language == SAMPLES[charset].language
        assert read.encoding.lower() in {charset, "windows-1252"}  # browsers widen iso-8859-1


PARTS = {
    "articles": "News\n\nFirst story\n\nSecond story\n\nThird story",
    "article-with-comments": "The post\n\nFirst comment\n\nSecond comment",
    "teaser": "Long text of the page that has a teaser beside it\n\nTeaser",
    "empty-main": "Written beside the main part",
    "views": "The view that is shown",
    "two-mains": "Left half\n\nRight half",
    "main-in-shadow": "In the shadow\n\nSlotted into it",
    "role": "By its role",
    "landmarks": "Harbour\nOn tides\n\nThe sea comes and goes.",
    "nothing-but-navigation": "Home Shop",
    "frameset": "First frame\n\nSecond frame",
    "overlay": "Content",
    "deferred": "Above\n\nFar below, and rendered late",
    "plain": "a  b\n<c>",
    "json": '{"a": [1, "x"]}',
    "feed": (
        '<?xml version="1.0"?>\n<rss><channel><title>News</title>'
        "<item><title>One</title></item></channel></rss>"
    ),
    "drawing": "Drawn",
    "empty": "",
}


async def test_the_part_that_is_read(context: RecordingContext, site: Site) -> None:
    found = {
        name: (await page_text(context, site.at(f"/reading/{name}"))).content for name in PARTS
    }
    assert found == PARTS


async def test_all_of_a_page_and_its_frames_can_be_read(
    context: RecordingContext, site: Site
) -> None:
    address = site.at("/reading/landmarks")
    whole = await page_text(context, address, part="all")
    words = "Home Harbour On tides The sea comes and goes. Also read Imprint"
    assert " ".join(whole.content.split()) == words
    html = await page_text(context, address, part="all", format="html")
    assert html.content.startswith('<!DOCTYPE html>\n<html lang="en"><head>')
    assert html.content.endswith("</html>")
    framed = site.at("/reading/framed")
    assert (await page_text(context, framed)).content == "Around it"
    with_frames = await page_text(context, framed, frames=True)
    assert with_frames.content == "Around it\n\nFirst frame"


async def test_html_holds_open_shadow_roots(context: RecordingContext, site: Site) -> None:
    read = await page_text(context, site.at("/reading/main-in-shadow"), format="html", part="all")
    assert '<my-app class="a"><template shadowrootmode="open"><main' in read.content
    one = await page_text(
        context, site.at("/reading/main-in-shadow"), format="html", selector="main"
    )
    assert one.content.startswith("<main><p>In the shadow</p>")


async def test_facts_of_the_head_have_their_fallbacks(
    context: RecordingContext, site: Site
) -> None:
    read = await page_text(context, site.at("/reading/two-mains"))
    assert (read.language, read.description) == ("de", "As shared")
    read = await page_text(context, site.at("/reading/drawing"))
    assert (read.title, read.language) == ("A drawing", "fr")
    read = await page_text(context, site.at("/reading/views"))
    assert (read.language, read.description) == ("en", None)


async def test_a_cut_falls_between_characters(context: RecordingContext, site: Site) -> None:
    for chars, truncated in ((3, True), (6, False)):
        read = await page_text(context, site.at("/reading/astral"), max_chars=chars)
        assert (read.content, read.truncated) == (
            "a\U0001f600\U0001f601\U0001f602\U0001f603\ufffd"[:chars], truncated,
        )  # fmt: skip
