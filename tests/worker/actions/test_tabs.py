"""Tabs: listing, opening, switching and closing them."""

from typing import Any

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_list_tabs(world: World) -> None:
    *_, listed = await world.example("list_tabs")
    assert [one["id"] for one in listed["tabs"]] == ["tab-1", "tab-2"]
    assert [one["current"] for one in listed["tabs"]] == [False, True]
    assert listed["tabs"][0]["url"] == world.site.at("/catalogue")
    assert listed["tabs"][0]["title"]
    assert listed["count"] == 2
    assert not listed["truncated"]


async def test_new_tab(world: World) -> None:
    (opened,) = await world.example("new_tab")
    assert opened["url"] == world.site.at("/catalogue")
    assert (opened["id"], opened["status"]) == ("tab-2", 200)


async def test_switch_tab(world: World) -> None:
    _, first, second = await world.example("switch_tab")
    assert (first["id"], first["url"]) == ("tab-1", "about:blank")
    assert (second["id"], second["url"]) == ("tab-2", world.site.at("/catalogue"))


async def test_close_tab(world: World) -> None:
    _, left = await world.example("close_tab")
    assert [(one["id"], one["current"]) for one in left["tabs"]] == [("tab-1", True)]


async def test_close_other_tabs(world: World) -> None:
    *_, left = await world.example("close_other_tabs")
    assert [(one["id"], one["current"]) for one in left["tabs"]] == [("tab-1", True)]


async def test_popups_are_listed_and_do_not_become_current(world: World) -> None:
    _, opener, _, listed = await world.commands(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("new_tab", {"url": world.site.at("/pages/opens-tabs.html")}),
        ("switch_tab", {"url": "popup=4"}),
        ("list_tabs", {}),
    )
    assert opener["id"] == "tab-2"
    assert listed["count"] == 7
    assert [one["id"] for one in listed["tabs"]] == [f"tab-{number}" for number in range(1, 8)]
    assert [one["index"] for one in listed["tabs"] if one["current"]] == [6]


async def test_ids_stay_when_other_tabs_close(world: World) -> None:
    *_, closed, opened = await world.commands(
        ("new_tab", {}),
        ("new_tab", {}),
        ("close_tab", {"index": 1}),
        ("new_tab", {}),
    )
    assert [one["id"] for one in closed["tabs"]] == ["tab-1", "tab-3"]
    assert opened["id"] == "tab-4"


async def test_the_opener_is_current_after_a_popup_is_closed(world: World) -> None:
    *_, left = await world.commands(
        ("goto", {"url": world.site.at("/pages/opens-tabs.html")}),
        ("new_tab", {}),
        ("switch_tab", {"url": "popup=2"}),
        ("close_tab", {}),
    )
    assert [one["id"] for one in left["tabs"] if one["current"]] == ["tab-1"]


async def test_the_last_tab_is_replaced_by_an_empty_one(world: World) -> None:
    _, left, opened = await world.commands(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("close_tab", {}),
        ("goto", {"url": world.site.at("/catalogue")}),
    )
    assert [one["url"] for one in left["tabs"]] == ["about:blank"]
    assert opened["status"] == 200


async def test_a_busy_tab_is_listed_without_a_title(world: World) -> None:
    *_, listed, left = await world.commands(
        ("goto", {"url": world.site.at("/pages/busy-later.html")}),
        ("new_tab", {}),
        ("sleep", {"seconds": 1.5}),
        ("list_tabs", {}),
        ("close_tab", {"index": 0}),
    )
    assert listed["tabs"][0]["title"] is None
    assert listed["tabs"][1]["title"] == ""
    assert left["count"] == 1


async def test_an_address_that_cannot_be_opened_leaves_no_tab(world: World) -> None:
    reason = await world.failure(("new_tab", {"url": "http://127.0.0.1:9/"}))
    assert "command 0 (new_tab)" in reason
    assert "cannot be opened" in reason


async def test_a_tab_that_does_not_come_is_named(world: World) -> None:
    reason = await world.failure(("switch_tab", {"url": "/never", "timeout_s": 0.2}))
    assert "a tab with '/never' in its address: not within 0.2 s" in reason
    assert "open are about:blank" in reason


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"id": "tab-9"}, "no tab 'tab-9' is open; the open ones are tab-1"),
        ({"index": 1}, "no tab has the index 1: 1 are open, from 0"),
        ({"index": -2}, "no tab has the index -2"),
    ],
)
async def test_a_tab_that_is_not_open_fails(
    world: World, given: dict[str, Any], words: str
) -> None:
    assert words in await world.failure(("switch_tab", given))


@pytest.mark.parametrize("given", [{}, {"index": 0, "url": "/"}])
async def test_switch_tab_takes_one_name(world: World, given: dict[str, Any]) -> None:
    listed = [{"action": "switch_tab", "with": given}]
    problem = await world.worker.problem("commands", status=400, commands=listed)
    assert "give one of" in str(problem)
