"""A hundred workers with ten slots each: the page stays readable, its messages small."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from playwright.async_api import expect

from balancer.dashboard.access import LIVE, RENDERING
from balancer.dashboard.cells import CellState
from balancer.dashboard.routes import STATIC
from balancer.dashboard.snapshot import Look
from balancer.fleet.fleet import Fleet
from balancer.fleet.worker import Worker
from slotgrid.core.node_state import NodeState
from slotgrid.wire.messages import Report
from tests.balancer.dashboard.pages import Dashboard
from tests.balancer.fleet import fakes
from tests.balancer.fleet.fakes import hello
from tests.harness.in_process.balancer import RunningBalancer
from tests.slotgrid.core.fakes import PLAIN, function

WORKERS, SLOTS = 100, 10
EVERYTHING = Look(None, operates=True)
CONTRAST = """
() => {
  // What the eye gets: the browser's own colours, laid over each other.
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => rgb(colour)
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ratio = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const surface = getComputedStyle(document.querySelector(".tile")).backgroundColor;
  const page = getComputedStyle(document.body).backgroundColor;
  const found = {};
  for (const cell of document.querySelectorAll(".legend .cell")) {
    const ink = getComputedStyle(cell).borderTopColor;
    found[cell.dataset.state] = Math.min(ratio(ink, surface), ratio(ink, page));
  }
  for (const name of ["vitals", "legend", "note", "empty"]) {
    const element = document.querySelector(`.${name}`);
    const behind = name === "vitals" ? surface : page;
    if (element) found[name] = ratio(getComputedStyle(element).color, behind);
  }
  return found;
}
"""
NAMELESS = """
() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, [role=img]")]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.getAttribute("aria-label") || one.textContent || one.labels?.length))
  .map((one) => one.outerHTML)
"""


def report(seq: int, free: int, **fields: Any) -> Report:
    load = {"cpu_percent": 40 + seq % 50, "memory_percent": 35, "memory_bytes": 2**28}
    return fakes.report(seq, free, used=SLOTS - free, **(load | fields))


def join(fleet: Fleet, number: int) -> Worker:
    """One of many workers, most of them well."""
    odd = [function("only_here")] if number == 41 else []
    said = hello(
        f"worker-{number:03}",
        report(0, (number * 7) % (SLOTS + 1)),
        boot=f"boot-{number}",
        group="default" if number < 80 else "shop",
        contract=1 if number < 90 else 2,
        pools={"default": SLOTS},
    )
    return fleet.joined(said, [PLAIN, *odd])


@contextmanager
def large_fleet(fleet: Fleet) -> Iterator[list[Worker]]:
    """Workers that nobody stands behind; at the end they are lost, as the fixtures expect."""
    workers = [join(fleet, number) for number in range(WORKERS)]
    for worker in workers[10:13]:
        fleet.reported(worker, report(1, 6, status=NodeState.MAINTENANCE))
    fleet.reported(workers[20], report(1, 4, held="memory is 93 % used, the limit is 90 %"))
    fleet.draining(workers[30])
    fleet.disconnected(workers[50])
    for second in (0, 2, 4):
        workers[60].ejection.failed(time.monotonic() - 5 + second)
    fleet.reported(workers[60], report(1, 8))
    fleet.reported(workers[70], report(1, 8, services={"proxy": False}))
    try:
        yield workers
    finally:
        for worker in workers:
            fleet.disconnected(worker)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_thousand_slots_are_readable(
    balancer: RunningBalancer, dashboard: Dashboard, scheme: Any
) -> None:
    page = dashboard.page
    await page.emulate_media(color_scheme=scheme)
    with large_fleet(balancer.balancer.fleet):
        await dashboard.open()
        await expect(page.locator(".tile")).to_have_count(WORKERS)
        await expect(page.locator(".tiles .cells i")).to_have_count(WORKERS * SLOTS)
        await dashboard.picture(f"fleet-{scheme}")
        for width in (1280, 1000, 480):
            await page.set_viewport_size({"width": width, "height": 800})
            needed = await page.evaluate("document.documentElement.scrollWidth")
            assert needed <= width
        await dashboard.picture(f"narrow-{scheme}")
        ratios = await page.evaluate(CONTRAST)
        assert set(map(str, CellState)) <= set(ratios)
        for name, ratio in ratios.items():
            assert ratio >= (3 if name in set(CellState) else 4.5), (name, ratio)
        assert await page.evaluate(NAMELESS) == []
        assert await page.get_by_role("main").count() == 1
        assert await dashboard.violations() == []


async def test_no_two_states_look_alike_without_colour(
    balancer: RunningBalancer, dashboard: Dashboard
) -> None:
    with large_fleet(balancer.balancer.fleet):
        await dashboard.open()
        patterns = await dashboard.page.evaluate(
            """() => [...document.querySelectorAll(".legend .cell")].map((cell) => {
                 const style = getComputedStyle(cell), ink = style.borderTopColor;
                 const pattern = style.background + style.backgroundImage + style.borderTopStyle;
                 return pattern.replaceAll(ink, "ink");
               })"""
        )
        assert len(set(patterns)) == len(CellState)


async def test_a_second_says_only_what_changed(balancer: RunningBalancer) -> None:
    live, rendering = balancer.app[LIVE], balancer.app[RENDERING]
    fleet = balancer.balancer.fleet
    with large_fleet(fleet) as workers:
        for worker in workers[:10]:
            fleet.reported(worker, report(1, 4))
        board = live.board(EVERYTHING)
        seen = board.version
        for worker in workers[:10]:
            fleet.reported(worker, report(2, 5, cpu_percent=99))
        live.board(EVERYTHING)
        changed = orjson.loads(rendering.message(board, board.since(seen), []))
        assert set(changed["cells"]) == {f"{worker.name}/default" for worker in workers[:10]}
        assert {f"{worker.name}/cpu" for worker in workers[:10]} <= set(changed["text"])
        assert "html" not in changed
        for worker in workers:
            fleet.reported(worker, report(3, 3))
        seen = board.version
        live.board(EVERYTHING)
        # Every one of a thousand cells and every figure anew.
        assert len(rendering.message(board, board.since(seen), [])) < 16 * 1024


async def test_a_worker_that_comes_is_shown_with_no_reload(
    balancer: RunningBalancer, dashboard: Dashboard
) -> None:
    fleet = balancer.balancer.fleet
    with large_fleet(fleet):
        await dashboard.open()
        first = dashboard.page.locator(".tile a", has_text="worker-000")
        await first.focus()
        late = fleet.joined(hello("<b>late</b>", report(0, 2), pools={"default": 2}), [PLAIN])
        await expect(dashboard.page.locator(".tile a", has_text="<b>late</b>")).to_be_visible()
        await expect(first).to_be_focused()
        fleet.disconnected(late)
        await expect(dashboard.page.locator(".attention")).to_contain_text("<b>late</b>")
        assert await dashboard.violations() == []


async def test_nobody_is_watched_for_when_nobody_watches(
    balancer: RunningBalancer, dashboard: Dashboard
) -> None:
    live = balancer.app[LIVE]
    await dashboard.open()
    assert live.watchers == 1
    await dashboard.page.goto("about:blank")
    async with asyncio.timeout(20):
        while live.watchers:
            await live.news()


def test_no_template_holds_what_the_policy_forbids() -> None:
    for template in (STATIC.parent / "templates").iterdir():
        text = template.read_text()
        assert re.search(r"<style|\bstyle=|\bon[a-z]+=|<script(?![^>]*\bsrc=)", text) is None
