"""The console of a page, its dialogs, and how fast it is."""

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_console(world: World) -> None:
    _, found = await world.example("console")
    assert [(one["level"], one["text"]) for one in found["messages"]] == [
        ("warning", "warned"),
        ("error", "failed"),
        ("exception", "nobody caught this"),
    ]
    assert found["messages"][0]["location"].startswith(world.site.at("/pages/console.html:"))
    assert found["messages"][0]["at"].endswith("Z")
    assert not found["truncated"]


async def test_all_levels_and_clearing(world: World) -> None:
    *_, found, cleared, _, again = await world.commands(
        ("goto", {"url": world.site.at("/pages/console.html")}),
        ("console", {"clear": True}),
        ("console", {}),
        ("reload", {}),
        ("console", {"levels": ["log"], "max_messages": 1}),
    )
    levels = [one["level"] for one in found["messages"]]
    assert levels == ["log", "info", "warning", "error", "debug", "exception"]
    assert cleared == {"messages": [], "truncated": False}
    assert [one["text"] for one in again["messages"]] == ["plain {a: 1}"]


async def test_a_flood_leaves_the_newest_and_says_so(world: World) -> None:
    flood = "for (let i = 0; i < 5000; i++) console.log('line', i)"
    *_, found = await world.commands(
        ("goto", {"url": world.site.at("/catalogue")}),
        ("evaluate", {"script": flood}),
        ("console", {"max_messages": 50}),
    )
    assert found["truncated"]
    assert len(found["messages"]) == 50
    assert found["messages"][-1]["text"] == "line 4999"


async def test_messages_of_an_earlier_document_can_be_left_out(world: World) -> None:
    *_, here, all_ = await world.commands(
        ("goto", {"url": world.site.at("/pages/console.html")}),
        ("goto", {"url": world.site.at("/catalogue")}),
        ("console", {"since": "navigation"}),
        ("console", {}),
    )
    assert "warned" not in [one["text"] for one in here["messages"]]
    assert "warned" in [one["text"] for one in all_["messages"]]


async def test_dialogs(world: World) -> None:
    *_, listed = await world.example("dialogs")
    (one,) = listed["dialogs"]
    assert (one["type"], one["message"], one["default"]) == ("prompt", "Your name?", "nobody")
    assert (one["answer"], listed["count"]) == ("accept", 1)
    assert one["url"] == world.site.at("/pages/dialogs.html")


async def test_a_policy_for_one_dialog_and_for_the_rest(world: World) -> None:
    *_, first, _, second, listed, cleared = await world.commands(
        ("goto", {"url": world.site.at("/pages/dialogs.html")}),
        ("dialogs", {"answer": "dismiss"}),
        ("dialogs", {"answer": "accept", "once": True}),
        ("click", {"selector": "#confirm"}),
        ("get_text", {"selector": "#answer"}),
        ("click", {"selector": "#confirm"}),
        ("get_text", {"selector": "#answer"}),
        ("dialogs", {"clear": True}),
        ("dialogs", {}),
    )
    assert "true" in str(first)
    assert "false" in str(second)
    assert [one["answer"] for one in listed["dialogs"]] == ["accept", "dismiss"]
    assert cleared == {"dialogs": [], "count": 0, "truncated": False}


async def test_a_dialog_without_a_policy_is_dismissed(world: World) -> None:
    *_, text = await world.commands(
        ("goto", {"url": world.site.at("/pages/dialogs.html")}),
        ("click", {"selector": "#confirm"}),
        ("get_text", {"selector": "#answer"}),
    )
    assert "false" in str(text)


async def test_dialogs_of_other_tabs_are_answered_too(world: World) -> None:
    *_, text = await world.commands(
        ("dialogs", {"answer": "accept", "prompt_text": ""}),
        ("new_tab", {"url": world.site.at("/pages/dialogs.html")}),
        ("click", {"selector": "#prompt"}),
        ("get_html", {"selector": "#answer"}),
    )
    assert "null" not in str(text)


async def test_an_answer_is_needed_for_its_text(world: World) -> None:
    reason = await world.failure(("dialogs", {"prompt_text": "x"}))
    assert "go with `answer`" in reason


async def test_performance(world: World) -> None:
    _, found = await world.example("performance")
    assert found["url"] == world.site.at("/catalogue")
    assert found["status"] == 200
    assert 0 < found["response_start_ms"] <= found["dom_content_loaded_ms"] <= found["load_ms"]
    assert found["first_contentful_paint_ms"] > 0
    assert found["largest_contentful_paint_ms"] >= found["first_contentful_paint_ms"]
    assert found["resources"] == sum(found["resource_types"].values()) > 0
    assert found["transfer_bytes"] > 1000
    assert found["metrics"]["Nodes"] > 10


async def test_an_empty_tab_has_no_figures(world: World) -> None:
    (found,) = await world.commands(("performance", {}))
    assert found["url"] == "about:blank"
    assert found["status"] is None
    assert found["largest_contentful_paint_ms"] is None
