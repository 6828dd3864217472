"""Playwright's driver: how it is started, and what is said of its death."""

import asyncio
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.worker.browser.conftest import StartBrowsers
from worker.browser.driver import YOUNG_MB, Driver, silence_driver_deaths
from worker.browser.os_processes import ExitWatch, alive, kill, kill_group, stopped


async def test_a_driver_has_its_own_temporary_folder_and_we_keep_ours(tmp_path: Path) -> None:
    before = os.environ.get("TMPDIR")
    driver = await Driver.start(tmp_path)
    assert driver.process.environ()["TMPDIR"] == str(tmp_path)
    assert driver.process.ppid() == os.getpid()
    assert os.environ.get("TMPDIR") == before
    await driver.stop()
    assert not alive(driver.process)


async def test_a_driver_takes_little_for_new_objects_unless_the_operator_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--max-semi-space-size=8")
    driver = await Driver.start(tmp_path)
    # Of an option that is given twice node takes the last.
    assert driver.process.environ()["NODE_OPTIONS"].split() == [
        f"--max-semi-space-size={YOUNG_MB}",
        "--max-semi-space-size=8",
    ]
    assert os.environ["NODE_OPTIONS"] == "--max-semi-space-size=8"
    await driver.stop()


async def test_a_driver_that_stands_still_is_stopped_all_the_same(tmp_path: Path) -> None:
    driver = await Driver.start(tmp_path)
    driver.process.suspend()
    while not stopped(driver.process):  # noqa: ASYNC110  the signal arrives when it does
        await asyncio.sleep(0.01)
    await driver.stop()
    assert not alive(driver.process)


@pytest.mark.parametrize("node", ["/bin/false", "/no/such/node"])
async def test_a_driver_that_does_not_start_is_a_problem_and_leaves_nothing(
    node: str, start: StartBrowsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYWRIGHT_NODEJS_PATH", node)
    browsers = await start()
    assert browsers.stats().browsers == ()
    assert browsers.stats().problem


async def test_only_the_forgotten_future_of_a_driver_is_kept_quiet() -> None:
    loop = asyncio.get_running_loop()
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    silence_driver_deaths(loop)
    death = Exception("Connection closed while reading from the driver")
    no_node = Exception("Cannot launch Node.js executable at /no/such/node: ...")
    for forgotten in (death, no_node):
        loop.call_exception_handler(
            {"message": "Future exception was never retrieved", "exception": forgotten}
        )
    assert told == []
    others: list[dict[str, Any]] = [
        {"message": "Future exception was never retrieved", "exception": ValueError("else")},
        {"message": "Exception in callback", "exception": death},
        {"message": "no exception at all"},
    ]
    for context in others:
        loop.call_exception_handler(context)
    assert told == others


async def test_without_a_handler_of_ours_the_rest_is_logged_as_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.get_running_loop()
    silence_driver_deaths(loop)
    loop.call_exception_handler({"message": "something else"})
    assert "something else" in caplog.text
    caplog.clear()


async def test_a_process_that_is_gone_is_dead_and_can_be_killed_in_vain() -> None:
    child = await asyncio.create_subprocess_exec("/bin/sleep", "600")
    process = psutil.Process(child.pid)
    watch = ExitWatch(process)
    assert not watch.ended.done()
    kill(process)
    await asyncio.wait_for(watch.ended, 30)
    await child.wait()
    assert not alive(process)
    assert not stopped(process)
    kill(process)
    kill_group(process)
    late = ExitWatch(process)
    assert late.ended.done()
    late.close()
    watch.close()
