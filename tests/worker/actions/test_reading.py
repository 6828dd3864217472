"""Reading pages: texts, HTML, elements, records, and what scripts find."""

import re
from typing import Any

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def page(html: str) -> tuple[str, dict[str, Any]]:
    return "set_content", {"html": f"<!doctype html>{html}"}


async def test_get_text(world: World) -> None:
    _, price = await world.example("get_text")
    assert price == {
        "text": "8.75 €",
        "bytes": 8,
        "truncated": False,
        "matches": 1,
        "visible": True,
    }


async def test_the_first_visible_text_is_read_and_else_a_hidden_one(world: World) -> None:
    html = "<title>T</title><b hidden>no</b><b>yes</b><i hidden>only</i><p>two<br>lines</p>"
    _, seen, hidden, lines, whole, title, cut = await world.commands(
        page(html),
        ("get_text", {"selector": "b"}),
        ("get_text", {"selector": "i"}),
        ("get_text", {"selector": "p"}),
        ("get_text", {}),
        ("get_text", {"selector": "title"}),
        ("get_text", {"max_bytes": 100, "selector": "body"}),
    )
    assert (seen["text"], seen["matches"], seen["visible"]) == ("yes", 1, True)
    assert (hidden["text"], hidden["visible"]) == ("only", False)
    assert lines["text"] == "two\nlines"
    assert whole["text"] == "yes\n\ntwo\nlines"
    assert title["text"] == "T"
    assert not cut["truncated"]


async def test_a_long_text_is_cut_at_the_end_of_a_line(world: World) -> None:
    html = "".join(f"<p>Zeile {number} é</p>" for number in range(1000))
    _, cut, source = await world.commands(
        page(html), ("get_text", {"max_bytes": 1000}), ("get_html", {"max_bytes": 500})
    )
    assert cut["truncated"]
    assert cut["bytes"] > 10_000
    assert re.fullmatch(r"Zeile \d+ é", cut["text"].splitlines()[-1])
    assert len(cut["text"].encode()) <= 1000
    assert source["truncated"]
    assert len(source["html"].encode()) == 500


async def test_get_html(world: World) -> None:
    _, html = await world.example("get_html")
    assert html["html"] == "<h1>Desk no. 3</h1>" or html["html"].startswith("<h1>")
    *_, inner, whole = await world.commands(
        page("<p>a<b>c</b></p>"),
        ("get_html", {"selector": "p", "part": "inner"}),
        ("get_html", {}),
    )
    assert inner["html"] == "a<b>c</b>"
    assert whole["html"].startswith("<!DOCTYPE html><html>")


async def test_query(world: World) -> None:
    _, found = await world.example("query")
    assert (found["count"], found["truncated"], len(found["elements"])) == (12, True, 3) or (
        found["truncated"] and len(found["elements"]) == 3
    )
    assert found["elements"][0]["attributes"] == {"class": "product", "data-id": "1"}


async def test_a_query_without_matches_is_no_error(world: World) -> None:
    _, none, framed = await world.commands(
        page("<iframe srcdoc='<p>in</p>'></iframe>"),
        ("query", {"selector": "p"}),
        ("query", {"selector": "text=in", "frame": "iframe"}),
    )
    assert none == {"count": 0, "elements": [], "truncated": False}
    assert [one["text"] for one in framed["elements"]] == ["in"]
    assert "selector 'p[' cannot be read" in await world.failure(("query", {"selector": "p["}))


async def test_get_attribute(world: World) -> None:
    _, found = await world.example("get_attribute")
    assert found["value"] == world.site.at("/catalogue?page=2")


async def test_attributes_of_hidden_elements_and_missing_ones(world: World) -> None:
    _, content, missing = await world.commands(
        page("<meta name=description content=' Fine '><p>x"),
        ("get_attribute", {"selector": "meta", "attribute": "content"}),
        ("get_attribute", {"selector": "p", "attribute": "title"}),
    )
    assert (content["value"], content["visible"]) == (" Fine ", False)
    assert missing["value"] is None


async def test_extract(world: World) -> None:
    _, records = await world.example("extract")
    assert records == [
        {
            "name": f"{kind} no. {number}",
            "price": price,
            "link": world.site.at(f"/catalogue/product/{number}"),
            "picture": {"alt": f"{kind} no. {number}"},
            "source": "catalogue",
        }
        for number, kind, price in [
            (1, records[0]["name"].split()[0], 6.25),
            (2, records[1]["name"].split()[0], 7.5),
        ]
    ]


SHOP = """<div class=ad><li class=row><h2>Ad</h2></li></div>
<section id=shop><li class=row data-n=7><h2> Pen </h2><i>1,50 €</i><a href=/pen>a</a>
<ul><li class=c>Red <b>2</b></li><li class=c>Blue <b>3</b></li></ul></li>
<li class=row><h2>Ink</h2><i>n/a</i></li></section>"""


@pytest.mark.parametrize("shadow", [False, True])
async def test_records_of_every_kind(world: World, shadow: bool) -> None:
    html = SHOP
    if shadow:
        html = f"<x-a><template shadowrootmode=open>{SHOP}</template></x-a>"
    given = {
        "scope": "#shop",
        "selector": ".row",
        "fields": {
            "name": {"selector": "h2", "transform": ["upper"]},
            "n": {"attribute": "data-n", "transform": "int"},
            "price": {"selector": "i", "transform": "float"},
            "link": {"selector": "a", "attribute": "href", "kind": "attribute"},
            "html": {"selector": "h2", "kind": "html"},
            "colours": {
                "selector": ".c",
                "all": True,
                "fields": {"count": {"selector": "b", "transform": "int"}, "name": ":scope"},
            },
            "fixed": {"const": {"a": [1]}},
        },
    }
    goto = ("goto", {"url": world.site.at("/arrived")})
    *_, records = await world.commands(goto, page(html), ("extract", given))
    assert records == [
        {
            "name": "PEN",
            "n": 7,
            "price": 1.5,
            "link": world.site.at("/pen"),
            "html": " Pen ",
            "colours": [{"count": 2, "name": "Red 2"}, {"count": 3, "name": "Blue 3"}],
            "fixed": {"a": [1]},
        },
        {
            "name": "INK",
            "n": None,
            "price": None,
            "link": None,
            "html": "Ink",
            "colours": [],
            "fixed": {"a": [1]},
        },
    ]


async def test_rows_without_fields_and_one_record(world: World) -> None:
    _, texts, sources, one, none = await world.commands(
        page(SHOP),
        ("extract", {"selector": "#shop .c"}),
        ("extract", {"selector": ".c", "kind": "html", "limit": 1}),
        ("extract", {"fields": {"first": "h2", "all": {"selector": "h2", "all": True}}}),
        ("extract", {"selector": ".none", "fields": {"a": "b"}}),
    )
    assert texts == ["Red 2", "Blue 3"]
    assert sources == ["Red <b>2</b>"]
    assert one == {"first": "Ad", "all": ["Ad", "Pen", "Ink"]}
    assert none == []


async def test_rows_that_come_late_are_waited_for(world: World) -> None:
    *_, rows = await world.commands(
        ("goto", {"url": world.site.at("/pages/late.html"), "settle_s": 0}),
        ("extract", {"selector": ".item", "timeout_s": 5, "limit": 1}),
    )
    assert len(rows) == 1
    failure = await world.failure(page("<p>"), ("extract", {"selector": ".x", "timeout_s": 0.1}))
    assert "waiting for '.x'" in failure


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "give `selector`, `fields`, or both"),
        ({"selector": "text=a"}, "use CSS without Playwright's additions"),
        ({"selector": "a", "scope": "#none"}, "no element that matches '#none'"),
        ({"selector": "a", "fields": {"x": {"fields": {"y": "b["}}}}, "fields/x/fields/y"),
        ({"fields": {"x": {"kind": "attribute"}}}, "fields/x: the kind is attribute: name"),
        ({"fields": {"x": {"kind": "const"}}}, "fields/x: the kind is const: give the value"),
        ({"fields": {"x": {"kind": "html", "attribute": "b"}}}, "the kind is html, but"),
        ({"fields": {"x": {"fields": {}, "kind": "text"}}}, "`fields` make a record"),
    ],
)
async def test_rules_that_cannot_be_followed(
    world: World, given: dict[str, Any], words: str
) -> None:
    listed = [{"action": "set_content", "with": {"html": "<a>x"}}]
    listed.append({"action": "extract", "with": given})
    answer = await world.worker.submit("commands", input={"commands": listed})
    assert words in answer.json["detail"]


async def test_too_many_rows_need_a_limit(world: World) -> None:
    script = "<body><script>document.body.innerHTML = '<i>x</i>'.repeat(10_001)</script>"
    failure = await world.failure(page(script), ("extract", {"selector": "i"}))
    assert "10001 rows that match 'i', more than 10000: give `limit`" in failure
