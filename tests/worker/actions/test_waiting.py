"""Waiting for what a page shows or does."""

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATE_BOX = """<p id=old>Old</p><script>setTimeout(() => {
  document.querySelector("#old").remove();
  document.body.innerHTML += "<p class=new hidden>No</p><p class=new>Yes</p>";
}, 150)</script>"""


async def test_wait_for_selector(world: World) -> None:
    _, waited = await world.example("wait_for_selector")
    assert waited["matches"] == 10
    assert waited["waited_s"] > 0


async def test_the_first_visible_match_counts(world: World) -> None:
    _, waited = await world.commands(
        ("set_content", {"html": LATE_BOX, "settle_s": 0}),
        ("wait_for_selector", {"selector": ".new"}),
    )
    assert waited["matches"] == 1


@pytest.mark.parametrize("state", ["hidden", "detached"])
async def test_waiting_until_an_element_is_gone(world: World, state: str) -> None:
    _, waited = await world.commands(
        ("set_content", {"html": LATE_BOX, "settle_s": 0}),
        ("wait_for_selector", {"selector": "#old", "state": state}),
    )
    assert waited["matches"] == 0


async def test_a_wait_says_what_it_waited_for_and_what_was_there(world: World) -> None:
    failure = await world.failure(
        ("set_content", {"html": "<p hidden>1</p>"}),
        ("wait_for_selector", {"selector": "p", "timeout_s": 0.1}),
    )
    assert "selector 'p' was not visible within 0.1 s" in failure
    assert "1 match now, 0 of them visible" in failure


async def test_a_selector_that_cannot_be_read_is_named(world: World) -> None:
    failure = await world.failure(("wait_for_selector", {"selector": "p[", "timeout_s": 5}))
    assert "selector 'p[' cannot be read" in failure


async def test_wait_for_text(world: World) -> None:
    _, waited = await world.example("wait_for_text")
    assert waited["matches"] == 1


async def test_waiting_until_a_text_is_gone_across_elements(world: World) -> None:
    _, waited = await world.commands(
        (
            "set_content",
            {
                "html": "<p>Please <b>wait</b> a moment</p><script>setTimeout(() => "
                "{ document.querySelector('p').style.display = 'none' }, 150)</script>",
                "settle_s": 0,
            },
        ),
        ("wait_for_text", {"text": "please wait a", "state": "hidden"}),
    )
    assert waited["waited_s"] > 0.05


async def test_wait_for_expression(world: World) -> None:
    _, found = await world.example("wait_for_expression")
    assert found["value"] == 10


async def test_an_expression_that_fails_at_first_is_tried_again(world: World) -> None:
    _, found = await world.commands(
        ("set_content", {"html": "<script>setTimeout(() => app = {ready: 1}, 200)</script>"}),
        ("wait_for_expression", {"expression": "app.ready"}),
    )
    assert found["value"] == 1
    failure = await world.failure(
        ("wait_for_expression", {"expression": "app.ready", "timeout_s": 0.3})
    )
    assert "ReferenceError: app is not defined" in failure
    _, found = await world.commands(
        ("set_content", {"html": "<p>x"}),
        ("wait_for_expression", {"expression": "document.querySelector('p')"}),
    )
    assert found["value"] is True
    failure = await world.failure(
        ("set_content", {"html": "<p>x"}),
        ("wait_for_expression", {"expression": "document.links.length", "timeout_s": 0.3}),
    )
    assert failure.endswith("it is 0")


async def test_an_expression_is_watched_across_a_navigation(world: World) -> None:
    _, found = await world.commands(
        ("goto", {"url": world.site.at("/redirect/script"), "settle_s": 0}),
        ("wait_for_expression", {"expression": "location.pathname === '/arrived'"}),
    )
    assert found["value"] is True


async def test_wait_for_url(world: World) -> None:
    _, arrived = await world.example("wait_for_url")
    assert arrived["url"] == world.site.at("/arrived")


async def test_an_address_by_a_regular_expression(world: World) -> None:
    goto = ("goto", {"url": world.site.at("/arrived?n=12")})
    _, arrived = await world.commands(goto, ("wait_for_url", {"url": r"n=\d+$", "regex": True}))
    assert arrived["url"].endswith("n=12")
    failure = await world.failure(goto, ("wait_for_url", {"url": "(", "regex": True}))
    assert "'(' is no regular expression" in failure
    failure = await world.failure(goto, ("wait_for_url", {"url": "**/x", "timeout_s": 0.1}))
    assert "had no address '**/x' within 0.1 s: it is at " in failure


async def test_wait_for_network_idle(world: World) -> None:
    _, idle = await world.example("wait_for_network_idle")
    assert idle["inflight"] == 0
    assert idle["waited_s"] >= 0.6


async def test_a_network_that_is_never_idle(world: World) -> None:
    polls = {"html": "<script>(async () => { for (;;) await fetch('/slow/hang') })()</script>"}
    goto = ("goto", {"url": world.site.at("/arrived")})
    failure = await world.failure(
        goto, ("set_content", polls), ("wait_for_network_idle", {"timeout_s": 1})
    )
    assert "still under way: " in failure
    assert "/slow/hang" in failure
    *_, idle = await world.commands(
        goto, ("set_content", polls), ("wait_for_network_idle", {"max_inflight": 1})
    )
    assert idle["inflight"] == 1
