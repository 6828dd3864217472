"""Records out of lists, over pages."""

import json

import pytest

from functions._records import Field
from functions.extract import extract
from tests.functions.fakes import RecordingContext
from tests.site.catalogue import PAGE_SIZE, products
from tests.site.fixtures import Site

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


async def test_a_selector_that_cannot_be_read_is_named(
    context: RecordingContext, site: Site
) -> None:
    for item, name in (("li[", "h2"), ("li", "h2 >"), (":x(", "b")):
        with pytest.raises(ValueError, match="is not a valid selector") as raised:
            await extract(context, site.at("/catalogue"), item=item, fields={"name": name})
        assert repr(name if item == "li" else item) in str(raised.value)
