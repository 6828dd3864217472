"""Persistent pools with real browsers: a login is kept, and nothing else of a task."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from tests.harness.in_process.worker import RunningWorker, running_worker
from tests.harness.waiting import until
from tests.site.fixtures import Site
from tests.site.sessions import PASSWORD, USER
from tests.worker.pools.profiles import FUNCTIONS, a_pools_file, function_text
from worker.browser.os_processes import is_ending

KEPT = "kept: {size: 1, isolation: persistent}\n"


def the_slot(worker: RunningWorker) -> Any:
    """The state of the one persistent slot."""
    (slot,) = worker.worker.persistent.stats()
    return slot


async def until_replaced(worker: RunningWorker, pid: int) -> None:
    """Return when another browser has the profile and waits for a task."""
    await until(
        lambda: the_slot(worker).pid not in {None, pid} and the_slot(worker).state == "idle", 20
    )


async def test_a_login_is_kept_between_tasks_and_over_a_restart(tmp_path: Path, site: Site) -> None:
    file = a_pools_file(tmp_path, KEPT)
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        await worker.call("login", url=site.url, name="ann")
        kept = {"storage": "ann", "cookies": "long=ann; session=ann"}
        assert await worker.call("who", url=site.url) == kept
        pid = the_slot(worker).pid
        assert await worker.call("who", url=site.url) == kept
        assert the_slot(worker).pid == pid
        assert the_slot(worker).profile == str(tmp_path / "data/profiles/kept/0")
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        assert await worker.call("who", url=site.url) == kept


async def test_a_login_ends_when_its_site_ends_it(tmp_path: Path, site: Site) -> None:
    file = a_pools_file(tmp_path, KEPT)
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        await worker.call("login", url=site.url, name="ann")
        await worker.call("logout", url=site.url)
        await worker.idle()
        pid = the_slot(worker).pid
        os.kill(pid, signal.SIGKILL)
        await until_replaced(worker, pid)
        assert (await worker.call("who", url=site.url))["cookies"] == ""


async def test_http_authentication_is_kept(tmp_path: Path, site: Site) -> None:
    file = a_pools_file(tmp_path, KEPT)
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        url = site.at("/basic-auth")
        assert await worker.call("status", url=url) == 401
        with_login = url.replace("http://", f"http://{USER}:{quote(PASSWORD)}@")
        assert await worker.call("status", url=with_login) == 200
        assert await worker.call("status", url=url) == 200


async def test_a_browser_killed_between_tasks_is_replaced_with_its_login(
    tmp_path: Path, site: Site
) -> None:
    file = a_pools_file(tmp_path, KEPT)
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        await worker.call("login", url=site.url, name="ann")
        await worker.idle()
        pid = the_slot(worker).pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not psutil.pid_exists(pid) or is_ending(psutil.Process(pid)))
        # At once, while it is being replaced: the task waits within its limits.
        found = await worker.call("who", url=site.url)
        assert found["cookies"] == "long=ann; session=ann"
        assert the_slot(worker).pid != pid
        assert the_slot(worker).restarts == {"browser-died": 1}


async def test_a_browser_killed_in_a_task_fails_it_and_keeps_the_login(
    tmp_path: Path, site: Site
) -> None:
    file = a_pools_file(tmp_path, KEPT)
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        await worker.call("login", url=site.url, name="ann")
        running = await worker.start("stay", url=site.url)
        await running.says("status")
        os.kill(the_slot(worker).pid, signal.SIGKILL)
        assert (await running.problem(500))["reason"] == "browser-lost"
        assert (await worker.call("who", url=site.url))["cookies"] == "long=ann; session=ann"


async def test_a_worker_killed_keeps_the_login(tmp_path: Path, site: Site) -> None:
    file = a_pools_file(tmp_path, KEPT)
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        await worker.call("login", url=site.url, name="ann")
        await worker.idle()
        slot = the_slot(worker)
        driver = psutil.Process(slot.driver_pid)
        # As when the worker is killed: the driver ends with it, and Chromium with the driver.
        driver.kill()
        await until_replaced(worker, slot.pid)
        assert (await worker.call("who", url=site.url))["cookies"] == "long=ann; session=ann"


@pytest.mark.parametrize(
    "function", ["popups", "dialog", "alerts", "download", "worker_of_site", "timers", "listeners"]
)
async def test_nothing_but_the_login_outlives_a_task(
    tmp_path: Path, site: Site, function: str
) -> None:
    """Of a hostile task; its browser is kept, and the next task finds a blank page."""
    file = a_pools_file(tmp_path, KEPT)
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        pid = the_slot(worker).pid
        answer = await worker.submit(function, input={"url": site.url}, timeout_s=4)
        assert answer.status in {200, 504}, answer.body
        await worker.idle()
        hits = site.hits.total()
        assert await worker.call("traces", url=site.url) == {
            "pages": ["about:blank"],
            "workers": 0,
            "listeners": 0,
        }
        assert the_slot(worker).pid == pid
        await asyncio.sleep(0.5)
        assert site.hits.total() == hits
        downloads = worker.worker.persistent._slots["kept", 0].browser
        assert downloads is not None
        assert list(downloads.process.folder.glob("playwright-artifacts-*/*")) == []


@pytest.mark.parametrize(
    "function", ["routes", "init_script", "binding", "headers", "clock", "own_context", "offline"]
)
async def test_a_context_that_a_task_has_changed_is_replaced(
    tmp_path: Path, site: Site, function: str
) -> None:
    file = a_pools_file(tmp_path, KEPT)
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        await worker.call("login", url=site.url, name="ann")
        pid = the_slot(worker).pid
        await worker.call(function, url=site.url)
        found = await worker.call("who", url=site.url)
        assert found == {"storage": "ann", "cookies": "long=ann; session=ann"}
        assert the_slot(worker).pid != pid
        assert the_slot(worker).restarts == {"outdated": 1}
        assert await worker.call("marks", url=site.url) == []


async def test_a_function_that_ignores_its_end_has_the_context_no_more(
    tmp_path: Path, site: Site
) -> None:
    file = a_pools_file(tmp_path, KEPT)
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        pid = the_slot(worker).pid
        answer = await worker.submit("stubborn", input={"url": site.url}, timeout_s=1)
        assert answer.status == 504
        await worker.call("who", url=site.url)
        assert the_slot(worker).pid != pid


async def test_an_idle_context_costs_next_to_nothing(tmp_path: Path, site: Site) -> None:
    file = a_pools_file(tmp_path, KEPT)
    async with running_worker(tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1) as worker:
        await worker.call("timers", url=site.url)
        await worker.idle()
        slot = the_slot(worker)
        await asyncio.sleep(0.5)
        before = _cpu_s(slot.driver_pid)
        await asyncio.sleep(3)
        assert (_cpu_s(slot.driver_pid) - before) / 3 < 0.02


def _cpu_s(pid: int) -> float:
    """CPU time of a driver and its browser."""
    driver = psutil.Process(pid)
    times = [one.cpu_times() for one in [driver, *driver.children(recursive=True)]]
    return sum(one.user + one.system for one in times)


async def test_a_browser_is_recycled_after_its_tasks(tmp_path: Path, site: Site) -> None:
    file = a_pools_file(tmp_path, KEPT)
    async with running_worker(
        tmp_path, FUNCTIONS, POOLS_FILE=file, SLOTS=1, BROWSER_MAX_TASKS=2
    ) as worker:
        pid = the_slot(worker).pid
        await worker.call("login", url=site.url, name="ann")
        assert (await worker.call("who", url=site.url))["storage"] == "ann"
        await until_replaced(worker, pid)
        assert (await worker.call("who", url=site.url))["storage"] == "ann"
        assert the_slot(worker).restarts == {"max-tasks": 1}


async def test_a_login_is_exported_and_used_by_a_task_elsewhere(tmp_path: Path, site: Site) -> None:
    file = a_pools_file(tmp_path, KEPT + "default: {size: 1}\n")
    functions = {
        **FUNCTIONS,
        "export.py": function_text("export", _EXPORT),
        "visit.py": _VISIT,
    }
    async with running_worker(tmp_path, functions, POOLS_FILE=file) as worker:
        await worker.call("login", url=site.url, name="ann")
        answer = await worker.submit("export", input={"url": site.url})
        state = json.loads(await worker.artifact(answer.json["id"], "login.json"))
        found = await worker.call("visit", url=site.url, browser={"storage_state": state})
        assert found == ["ann", "long=ann; session=ann"]


_EXPORT = """
    from worker.pages.stored_login import save_login
    await page.goto(url)
    return (await save_login(context)).name
"""
_VISIT = """
from slotgrid.function import Context, function
from worker.pages.browser_options import Browser
from worker.pages.context_page import open_context_page


@function()
async def visit(context: Context, url: str, browser: Browser = None) -> list:
    page = await open_context_page(context, url, browser)
    await page.goto(url)
    return await page.evaluate(
        '[localStorage.getItem("name"), document.cookie.split("; ").sort().join("; ")]'
    )
"""
