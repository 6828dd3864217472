"""Scrolling by a distance, to an element or an end, and on while the page grows."""

from typing import Any

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def page(html: str) -> tuple[str, dict[str, Any]]:
    return "set_content", {"html": f"<!doctype html>{html}"}


INNER = """<style>body { margin: 0 } #box { height: 100vh; overflow: auto }</style>
<div id=box><div style="height:5000px">A</div><b>End</b></div>"""


async def test_scroll(world: World) -> None:
    _, by, bottom, element = await world.example("scroll")
    assert by == {"x": 0, "y": 400, "moved": True, "at_end": False}
    assert bottom["at_end"]
    assert element["moved"]
    assert not element["at_end"]


async def test_an_application_scrolls_in_one_part(world: World) -> None:
    _, by, end, again, up = await world.commands(
        page(INNER),
        ("scroll", {"dy": 300}),
        ("scroll", {"to": "bottom"}),
        ("scroll", {"dy": 300}),
        ("scroll", {"selector": "b", "to": "top"}),
    )
    assert (by["y"], by["moved"]) == (300, True)
    assert end["at_end"]
    assert not again["moved"]
    assert (up["y"], up["moved"]) == (0, True)


async def test_scrolling_without_a_goal_is_refused(world: World) -> None:
    for given in ({}, {"to": "top", "dy": 1}):
        listed = [{"action": "scroll", "with": given}]
        problem = await world.worker.problem("commands", 400, commands=listed)
        assert "give `" in problem["detail"]


async def test_scroll_until_stable(world: World) -> None:
    _, grown = await world.example("scroll_until_stable")
    assert grown["ended_by"] == "stable"
    assert grown["rounds"] >= 3


async def test_a_chat_grows_upwards(world: World) -> None:
    chat = """<div id=chat style="height:200px;overflow:auto"></div><script>
      let n = 100;
      const row = () => `<p>Message ${--n}</p>`;
      chat.innerHTML = Array.from({ length: 20 }, row).reverse().join("");
      chat.scrollTop = chat.scrollHeight;
      chat.onscroll = () => {
        if (chat.scrollTop > 0 || n <= 40) return;
        setTimeout(() => chat.insertAdjacentHTML("afterbegin",
          Array.from({ length: 20 }, row).reverse().join("")), 100);
      };</script>"""
    *_, grown, first = await world.commands(
        page(chat),
        ("scroll_until_stable", {"selector": "#chat", "direction": "up", "stable_s": 0.5}),
        ("get_text", {"selector": "#chat p"}),
    )
    assert grown["ended_by"] == "stable"
    assert first["text"] == "Message 40"


async def test_an_endless_page_ends_at_the_limits(world: World) -> None:
    endless = """<div style="height:3000px"></div><script>onscroll = () => {
      document.body.insertAdjacentHTML("beforeend", "<div style='height:3000px'><a href=x>x</a>")
    }</script>"""
    *_, by_rounds, by_time = await world.commands(
        page(endless),
        ("scroll_until_stable", {"max_rounds": 3}),
        ("scroll_until_stable", {"limit_s": 0.5}),
    )
    assert by_rounds == {"rounds": 3, "ended_by": "max_rounds"}
    assert by_time["ended_by"] == "limit_s"
