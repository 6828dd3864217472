"""The setup function of a persistent pool: before any task, in each new browser."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.harness.in_process.worker import RunningWorker, running_worker
from tests.harness.waiting import until
from tests.site.fixtures import Site
from tests.worker.pools.profiles import FUNCTIONS, a_pools_file

KEPT = "kept: {size: 1, isolation: persistent, setup: prepare}\n"
PREPARE = """
from pathlib import Path
from slotgrid.function import Context, function


@function(pool="kept", timeout_s=5)
async def prepare(context: Context):
    page = await context.page()
    with Path({log!r}).open("a") as log:
        log.write("ran\\n")
    {body}
"""


def functions_with(tmp_path: Path, body: str) -> dict[str, str]:
    log = str(tmp_path / "runs.log")
    return {**FUNCTIONS, "prepare.py": PREPARE.format(log=log, body=body)}


def runs(tmp_path: Path) -> int:
    log = tmp_path / "runs.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def the_slot(worker: RunningWorker) -> Any:
    (slot,) = worker.worker.persistent.stats()
    return slot


async def test_it_runs_once_in_each_new_browser(tmp_path: Path, site: Site) -> None:
    file = a_pools_file(tmp_path, KEPT)
    body = "await context.browser_context.add_init_script('window.mark = 1')"
    functions = functions_with(tmp_path, body)
    async with running_worker(tmp_path, functions, POOLS_FILE=file, SLOTS=1) as worker:
        assert runs(tmp_path) == 1
        # What it does to the context stays, for all tasks.
        for _ in range(2):
            assert await worker.call("marks", url=site.url) == [1]
        assert runs(tmp_path) == 1
        await worker.idle()
        os.kill(the_slot(worker).pid, signal.SIGKILL)
        await until(lambda: runs(tmp_path) == 2, 20)
        assert await worker.call("marks", url=site.url) == [1]
        assert the_slot(worker).tasks == 1
        assert worker.worker.health.mismatch() == 0


async def test_while_it_fails_the_slot_is_down_with_its_reason(tmp_path: Path, site: Site) -> None:
    file = a_pools_file(tmp_path, KEPT)
    functions = functions_with(tmp_path, "raise ValueError('wrong password')")
    async with running_worker(tmp_path, functions, POOLS_FILE=file, SLOTS=1) as worker:
        told = "the setup function prepare failed: ValueError: wrong password"
        assert the_slot(worker).problem == told
        answer = await worker.submit("who", input={"url": site.url}, wait_s=0.2)
        assert answer.status == 504
        assert told in answer.json["reason"]
        good = functions_with(tmp_path, "pass")["prepare.py"]
        worker.folder.write("prepare.py", good)
        await until(lambda: the_slot(worker).state == "idle", 30)
        assert (await worker.call("who", url=site.url))["storage"] is None


async def test_it_has_its_own_time_limit(tmp_path: Path, site: Site) -> None:
    file = a_pools_file(tmp_path, KEPT)
    functions = functions_with(tmp_path, "await page.wait_for_timeout(60_000)")
    async with running_worker(tmp_path, functions, POOLS_FILE=file, SLOTS=1) as worker:
        assert the_slot(worker).problem == (
            "the setup function prepare failed: it ran longer than its 5 s"
        )


async def test_an_unknown_one_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    file = a_pools_file(tmp_path, KEPT.replace("prepare", "prepared"))
    functions = functions_with(tmp_path, "pass")
    async with running_worker(tmp_path, functions, POOLS_FILE=file, SLOTS=1) as worker:
        assert "did you mean 'prepare'?" in the_slot(worker).problem
