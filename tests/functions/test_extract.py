"""Records out of lists, over pages."""

import json

import pytest

from functions.extract import extract
from slotgrid.core.deadlines import Deadline
from tests.functions.fakes import RecordingContext
from tests.site.catalogue import PAGE_SIZE, products
from tests.site.fixtures import Site
from worker.pages.records import Field

FIELDS: dict[str, str | Field] = {
    "name": "h2",
    "id": Field(attribute="data-id"),
    "link": Field("h2 a", "href"),
    "sale": ".sale",
}


async def test_records_are_read_from_every_page_in_order(
    context: RecordingContext, site: Site
) -> None:
    found = await extract(
        context, site.at("/catalogue"), item=".product", fields=FIELDS, next_page="a[rel=next]"
    )
    expected = [
        {"name": one.name, "id": str(one.id), "link": site.at(one.path), "sale": None}
        for one in products()
    ]
    assert found.records == expected
    assert (found.pages, found.stopped_by) == (5, "last-page")
    assert [json.loads(line) for line in "".join(context.chunks).splitlines()] == expected
    assert len(context.chunks) == 5


async def test_pages_and_records_are_bounded(context: RecordingContext, site: Site) -> None:
    two = await extract(
        context, site.at("/catalogue"), item=".product", fields=FIELDS,
        next_page="a[rel=next]", max_pages=2,
    )  # fmt: skip
    assert (len(two.records), two.pages, two.stopped_by) == (2 * PAGE_SIZE, 2, "max_pages")
    few = await extract(
        context, site.at("/catalogue"), item=".product", fields=FIELDS, max_records=5
    )
    assert (len(few.records), few.stopped_by) == (5, "max_records")


async def test_a_circle_of_next_pages_ends(context: RecordingContext, site: Site) -> None:
    round_trip = await extract(
        context, site.at("/catalogue/product/5"), item="h1", fields={"name": Field()},
        next_page="nav a",
    )  # fmt: skip
    assert round_trip.stopped_by == "last-page"
    # Product, list, second list; that one leads back to the first.
    assert round_trip.pages == 3


async def test_a_table_gives_its_rows_with_tidy_texts_and_lists(
    context: RecordingContext, site: Site
) -> None:
    found = await extract(
        context, site.at("/pages/table.html"), item="#departures tbody tr",
        fields={"to": "td:nth-child(2)", "cells": Field("td", all=True),
                "links": Field("a", "href", all=True), "class": Field(attribute="class")},
    )  # fmt: skip
    assert [record["to"] for record in found.records] == [
        "Aarau", "Basel & Bern", "Chur, via Zürich",
    ]  # fmt: skip
    assert found.records[1]["cells"] == ["08:20", "Basel & Bern", "7"]
    assert found.records[1]["links"] == [site.at("/catalogue/product/2")]
    assert [record["class"] for record in found.records] == [None, "late", None]
    assert found.records[2]["links"] == []


async def test_what_renders_late_can_be_extracted(context: RecordingContext, site: Site) -> None:
    found = await extract(
        context, site.at("/pages/late.html"), item=".item", fields={"name": "a"}, wait_for=".item"
    )
    assert len(found.records) == 10


async def test_a_selector_that_cannot_be_read_is_named_by_its_field(
    context: RecordingContext, site: Site
) -> None:
    for item, name, message in (
        ("li[", "h2", r"^'li\[' is not a valid selector"),
        ("li", "h2 >", r"^'h2 >' is not a valid selector"),
        ("li", "//h2", r"^'//h2' is not a valid selector: XPath is not supported"),
        ("text=Lamp", "b", r"^'text=Lamp' .*: use CSS without Playwright's additions"),
    ):
        for path in ("/catalogue", "/lists/shadow"):
            with pytest.raises(ValueError, match=message):
                await extract(context, site.at(path), item=item, fields={"name": name})
    with pytest.raises(ValueError, match=r"^'a\[' is not a valid selector"):
        await extract(context, site.at("/catalogue"), item="li", fields={"a": "b"}, next_page="a[")


async def test_attributes_have_the_values_that_the_browser_uses(
    context: RecordingContext, site: Site
) -> None:
    rules: dict[str, str | Field] = {
        f"{selector} {attribute}": Field(selector, attribute)
        for selector, attribute in (
            ("#link", "href"), ("#here", "href"), ("#broken", "href"), ("#mail", "href"),
            ("#cyrillic", "href"), ("#drawn", "href"), ("img", "src"), ("img", "srcset"),
            ("img", "longdesc"), ("#none", "src"), ("form", "action"), ("button", "formaction"),
            ("blockquote", "cite"), ("video", "poster"), ("object", "data"), ("[data=raw]", "data"),
            ("[data=raw]", "cite"), ("[data=raw]", "title"), ("#box", "checked"),
            ("#typed", "checked"), ("#typed", "disabled"), ("#box", "disabled"),
            ("#typed", "value"), ("textarea", "value"), ("select", "value"), ("option", "selected"),
        )
    }  # fmt: skip
    found = await extract(context, site.at("/lists/values"), item="section", fields=rules)
    shop = site.at("/shop/")
    assert found.records == [
        {
            "#link href": f"{shop}item?a=1&b=2",
            "#here href": shop,
            "#broken href": "http://[",
            "#mail href": "mailto:a@b.test",
            "#cyrillic href": f"{shop}?q=%FF",
            "#drawn href": f"{shop}drawn",
            "img src": f"{shop}a.png",
            "img srcset": f"{shop}a.png, {shop}b,c.png 2x, {site.url}/d.png 100w",
            "img longdesc": f"{shop}text",
            "#none src": "",
            "form action": f"{shop}send",
            "button formaction": f"{shop}other",
            "blockquote cite": f"{shop}source",
            "video poster": f"{shop}still.png",
            "object data": f"{shop}film",
            "[data=raw] data": "raw",
            "[data=raw] cite": "raw",
            "[data=raw] title": "",
            "#box checked": "true",
            "#typed checked": None,
            "#typed disabled": "true",
            "#box disabled": None,
            "#typed value": "typed",
            "textarea value": "start",
            "select value": "2",
            "option selected": None,
        }
    ]


async def test_texts_are_what_a_reader_sees_in_one_line(
    context: RecordingContext, site: Site
) -> None:
    found = await extract(
        context, site.at("/lists/values"), item="section",
        fields={
            "address": "#address", "terms": "dl", "data": "script", "typed": "#typed",
            "chosen": "select", "none": "h9", "blank": "img", "parts": Field("dl > *", all=True),
        },
    )  # fmt: skip
    assert found.records == [
        {
            "address": "12 Main St Berlin AB", "terms": "A B", "data": '{"a": 1}',
            "typed": "typed", "chosen": "Two", "none": None, "blank": "", "parts": ["A", "B"],
        }
    ]  # fmt: skip


async def test_selectors_reach_into_open_shadow_roots(
    context: RecordingContext, site: Site
) -> None:
    fields: dict[str, str | Field] = {
        "name": "h3", "sum": ".sum", "across": "my-price .sum", "link": Field("a", "href"),
        "own": Field(":scope", "class"), "child": ":scope > h3", "text": Field(),
    }  # fmt: skip
    expected = [
        {"name": "One", "sum": "1 €", "across": "1 €", "link": site.at("/one"), "own": "row",
         "child": "One", "text": "One 1 € more"},
        {"name": "Two", "sum": "2 €", "across": "2 €", "link": site.at("/two"), "own": "row",
         "child": "Two", "text": "Two 2 € more"},
        {"name": "Three", "sum": "3 €", "across": None, "link": None, "own": "row",
         "child": "Three", "text": "Three 3 €"},
    ]  # fmt: skip
    address = site.at("/lists/shadow")
    within = await extract(context, address, item="my-list .row", fields=fields)
    assert within.records == expected
    everywhere = await extract(context, address, item="li", fields={"name": "h3"})
    assert [one["name"] for one in everywhere.records] == ["One", "Two", "Three", "Four"]


async def test_items_inside_items_and_no_items_at_all(
    context: RecordingContext, site: Site
) -> None:
    nested = await extract(
        context, site.at("/lists/nested"), item=".c",
        fields={"text": Field(), "inner": ".c", "own": ":scope.c"},
    )  # fmt: skip
    assert nested.records == [
        {"text": "A", "inner": None, "own": "A"},
        {"text": "B C", "inner": "C", "own": "B C"},
        {"text": "C", "inner": None, "own": "C"},
    ]
    none = await extract(context, site.at("/lists/nested"), item=".x", fields={"a": "b"})
    assert (none.records, none.pages, none.stopped_by) == ([], 1, "last-page")
    assert context.lines == [f"stderr: no element of {site.at('/lists/nested')} matches '.x'"]


@pytest.mark.parametrize(
    "query",
    ["by=button", "by=button&end=disabled", "by=button&end=inert", "by=hash", "by=hash&end=inert",
     "by=script&end=disabled"],
)  # fmt: skip
async def test_the_next_page_can_be_a_click_away(
    context: RecordingContext, site: Site, query: str
) -> None:
    found = await extract(
        context, site.at(f"/lists/turning?{query}"), item=".product", fields={"name": Field()},
        next_page="#next", wait_for=".product",
    )  # fmt: skip
    assert [record["name"] for record in found.records] == [one.name for one in products()]
    assert (found.pages, found.stopped_by) == (3, "last-page")


@pytest.mark.parametrize("by", ["more", "turn"])
async def test_pages_grow_and_turn_in_shadow_roots(
    context: RecordingContext, site: Site, by: str
) -> None:
    button = "my-app button"
    found = await extract(
        context, site.at(f"/lists/growing-shadow?by={by}"), item="my-app .row",
        fields={"text": Field()}, load_more=button if by == "more" else None,
        next_page=button if by == "turn" else None,
    )  # fmt: skip
    assert found.records == [{"text": str(n)} for n in range(60)]


async def test_a_document_that_a_click_leads_to_is_read_when_it_is_there(
    context: RecordingContext, site: Site
) -> None:
    found = await extract(
        context, site.at("/lists/slow-turn-1"), item=".product", fields={"text": Field()},
        next_page="#next",
    )  # fmt: skip
    assert [record["text"] for record in found.records] == ["Page 1", "Page 2"]
    assert (found.pages, found.stopped_by) == (2, "last-page")


async def test_turned_pages_are_bounded(context: RecordingContext, site: Site) -> None:
    two = await extract(
        context, site.at("/lists/turning?by=button"), item=".product", fields={"name": Field()},
        next_page="#next", wait_for=".product", max_pages=2,
    )  # fmt: skip
    assert (len(two.records), two.pages, two.stopped_by) == (40, 2, "max_pages")


async def test_a_page_that_grows_is_read_to_its_end(context: RecordingContext, site: Site) -> None:
    names = [one.name for one in products()]
    for path, how in (
        ("/pages/load-more.html", {"load_more": "#more"}),
        ("/pages/endless.html", {"scroll": True}),
    ):
        found = await extract(
            context, site.at(path), item=".product",
            fields={"name": "a"}, wait_for=".product", **how,
        )  # fmt: skip
        assert [record["name"] for record in found.records] == names
        assert (found.pages, found.stopped_by) == (1, "last-page")


@pytest.mark.parametrize("kind", ["", "?recycle=1"])
async def test_every_row_of_a_virtual_list_is_one_record(
    context: RecordingContext, site: Site, kind: str
) -> None:
    found = await extract(
        context, site.at(f"/pages/virtual-list.html{kind}"), item=".row",
        fields={"text": Field(), "id": Field(attribute="data-id")}, scroll=True,
    )  # fmt: skip
    assert found.records == [{"text": f"Row {n}", "id": str(n)} for n in range(500)]


async def test_growth_is_bounded_by_rounds_records_and_the_deadline(
    context: RecordingContext, site: Site
) -> None:
    endless = {"item": ".product", "fields": {"name": "a"}, "scroll": True, "wait_for": ".product"}
    address = site.at("/pages/endless.html?forever=1")
    rounds = await extract(context, address, max_rounds=3, **endless)  # type: ignore[arg-type]
    assert rounds.stopped_by == "max_rounds"
    few = await extract(context, address, max_records=30, **endless)  # type: ignore[arg-type]
    assert (len(few.records), few.stopped_by) == (30, "max_records")
    context.deadline = Deadline.after(4)
    late = await extract(context, address, **endless)  # type: ignore[arg-type]
    assert late.stopped_by == "deadline"
    assert len(late.records) >= 20
