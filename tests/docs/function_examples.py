"""The examples of the functions' pages: what is said before each, and what a reader types."""

from dataclasses import dataclass

SITE = "http://127.0.0.1:8000"
"""Where a reader serves the small site of the examples."""


@dataclass(frozen=True)
class Example:
    """A sentence, and the command below it."""

    says: str
    command: str


def _curl(function: str, body: str) -> Example:
    return Example(
        "Over HTTP:",
        f'curl -s http://127.0.0.1:3000/functions/{function} -H "Authorization: $KEY" \\\n'
        f"  -H \"Content-Type: application/json\" \\\n  -d '{body}'",
    )


EXAMPLES: dict[str, tuple[Example, ...]] = {
    "crawl": (
        Example(
            "Visit a site, three pages at most:", f"slotgrid call crawl url={SITE}/ max_pages=3"
        ),
        _curl("crawl", f'{{"url": "{SITE}/", "max_pages": 1}}'),
    ),
    "extract": (
        Example(
            "Read the lamps of two pages:",
            f"slotgrid call extract url={SITE}/lamps.html item=.lamp \\\n"
            '  \'fields={"name": "h2", "price": ".price", '
            '"order": {"selector": "a", "attribute": "href"}}\' \\\n'
            "  'next_page=a[rel=next]'",
        ),
        _curl(
            "extract",
            f'{{"url": "{SITE}/lamps-2.html", "item": ".lamp", "fields": {{"name": "h2"}}}}',
        ),
    ),
    "fill_form": (
        Example(
            "Fill in an order and send it:",
            f"slotgrid call fill_form url={SITE}/order.html \\\n"
            '  \'fields={"Name": "Ada", "Lamp": "Björk", "It is a gift": true}\'',
        ),
        _curl("fill_form", f'{{"url": "{SITE}/order.html", "fields": {{"email": "no address"}}}}'),
    ),
    "hello": (
        Example("Greet somebody:", "slotgrid call hello name=Ada"),
        _curl("hello", '{"name": "Ada"}'),
    ),
    "page_text": (
        Example("Read a page:", f"slotgrid call page_text url={SITE}/"),
        _curl("page_text", f'{{"url": "{SITE}/lamps.html", "selector": ".lamp"}}'),
    ),
    "page_title": (
        Example("Read a title:", f"slotgrid call page_title url={SITE}/"),
        _curl("page_title", f'{{"url": "{SITE}/lamps-2.html"}}'),
    ),
    "pdf": (
        Example("Print a page, and save the file:", f"slotgrid call pdf url={SITE}/ --save files"),
        _curl("pdf", f'{{"url": "{SITE}/lamps.html", "format": "A5", "landscape": true}}'),
    ),
    "render": (
        Example(
            "Draw a file of your own:",
            "slotgrid call render --save files \\\n"
            '  \'files={"index.html": "<title>Card</title><h1>Hello, 世界</h1>"}\'',
        ),
        _curl("render", '{"files": {"index.html": "<h1>Hello</h1>"}, "output": "pdf"}'),
    ),
    "screenshot": (
        Example(
            "Take a picture of a whole page, and save the file:",
            f"slotgrid call screenshot url={SITE}/ full_page=true --save files",
        ),
        _curl(
            "screenshot", f'{{"url": "{SITE}/lamps.html", "selector": ".lamp", "format": "jpeg"}}'
        ),
    ),
}
