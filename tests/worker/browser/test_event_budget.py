"""The budget of events that each context has at its driver."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Frame

from tests.harness.waiting import PATIENT, live_processes, until_whole
from tests.worker.browser.conftest import StartBrowsers
from worker.browser import event_budget
from worker.browser.browser_states import Ending, FreedBy, Loss
from worker.browser.event_budget import BYTES, EVENTS, EventMeter

CHROMIUMS_BOUND = 200
"""Navigations and changes of its address that Chromium lets a page make in 10 s."""


def _message(guid: str, method: str = "navigated") -> bytes:
    return f'{{"guid":"{guid}","method":"{method}","params":{{}}}}'.encode()


class FakeConnection:
    """The objects of a connection: a browser, its contexts `one` and `other`, a page of each."""

    def __init__(self) -> None:
        self._objects: dict[str, Any] = {}
        browser = self.add("browser", "Browser", None)
        for name in ("one", "other"):
            context = self.add(name, "BrowserContext", browser)
            self.add(f"page-of-{name}", "Page", context)

    def add(self, guid: str, type_: str, parent: Any) -> Any:
        made = SimpleNamespace(_guid=guid, _type=type_, _parent=parent)
        self._objects[guid] = made
        return made


@pytest.fixture
def flooded() -> list[str]:
    return []


@pytest.fixture
def meter(flooded: list[str]) -> EventMeter:
    return EventMeter(FakeConnection(), flooded.append)


def _spend(meter: EventMeter, guid: str) -> None:
    while meter.passes(_message(guid)):
        pass


def test_a_context_past_its_budget_is_cut_off_and_reported_once(
    meter: EventMeter, flooded: list[str]
) -> None:
    passed = sum(meter.passes(_message("page-of-one")) for _ in range(2 * EVENTS[0]))
    assert EVENTS[0] <= passed < 2 * EVENTS[0]
    assert flooded == ["one"]
    assert meter.passes(_message("page-of-other"))
    assert meter.passes(_message("browser"))


def test_the_end_of_what_flooded_still_passes(meter: EventMeter) -> None:
    _spend(meter, "page-of-one")
    assert meter.passes(_message("page-of-one", "close"))
    assert meter.passes(_message("one", "close"))
    assert meter.flooded == {"one"}
    assert meter.passes(_message("one", "__dispose__"))
    assert meter.flooded == set()


def test_answers_are_not_counted(meter: EventMeter, flooded: list[str]) -> None:
    assert all(meter.passes(b'{"id":"1","result":{}}') for _ in range(2 * EVENTS[0]))
    assert meter.passes(b'{"id":"1","result":"' + b"x" * (BYTES[0] + 1) + b'"}')
    assert flooded == []


def test_bytes_are_counted_before_they_are_parsed(meter: EventMeter, flooded: list[str]) -> None:
    head = _message("page-of-one").removesuffix(b"{}}")
    assert not meter.passes(head + b"x" * BYTES[0])
    assert flooded == ["one"]


def test_events_of_objects_that_are_gone_are_dropped(meter: EventMeter, flooded: list[str]) -> None:
    assert not meter.passes(_message("frame-of-nobody", "__dispose__"))
    assert flooded == []


@pytest.mark.parametrize("name", ["errors", "frames", "socket"])
async def test_a_page_that_floods_loses_its_context_and_its_neighbour_goes_on(
    name: str, start: StartBrowsers, site: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_budget, "EVENTS", (300, 10))
    browsers = await start(limits=PATIENT)
    await until_whole(browsers, count=1, slots=2)
    before = live_processes()
    task, neighbour = await browsers.context(), await browsers.context()
    await task.page.goto(str(site.make_url(f"/hostile/{name}")), wait_until="commit")
    assert await asyncio.wait_for(task.lost, 60) is Loss.FLOOD
    assert await task.close() is FreedBy.CLOSE
    await neighbour.page.goto(str(site.make_url("/page")))
    assert await neighbour.page.title() == "A page"
    assert not neighbour.lost.done()
    await neighbour.close()
    await until_whole(browsers, count=1, slots=2)
    assert browsers.stats().restarts == {}
    assert live_processes() <= before


@pytest.mark.parametrize("name", ["push-state", "hash"])
async def test_chromium_bounds_how_often_a_page_changes_its_address(
    name: str, start: StartBrowsers, site: TestServer
) -> None:
    browsers = await start(limits=PATIENT)
    task, neighbour = await browsers.context(), await browsers.context()
    navigated: list[Frame] = []
    task.page.on("framenavigated", navigated.append)
    await task.page.goto(str(site.make_url(f"/hostile/{name}")), wait_until="commit")
    for _ in range(10):  # the page has its time; without the bound it made 500 changes a second
        await neighbour.page.goto(str(site.make_url("/page")))
        await asyncio.sleep(0.3)
    assert 1 < len(navigated) <= 2 * CHROMIUMS_BOUND + 1
    assert await task.close() is FreedBy.CLOSE
    await neighbour.close()


async def test_a_context_that_a_function_opened_itself_costs_the_browser_when_it_floods(
    start: StartBrowsers, site: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_budget, "EVENTS", (300, 10))
    browsers = await start(limits=PATIENT)
    task = await browsers.context()
    assert task.context.browser is not None
    own = await task.context.browser.new_context()
    page = await own.new_page()
    await page.goto(str(site.make_url("/hostile/errors")), wait_until="commit")
    assert await asyncio.wait_for(task.lost, 60) is Loss.BROWSER
    await task.close()
    await until_whole(browsers, count=1, slots=2)
    assert browsers.stats().restarts == {Ending.FLOODED: 1}
