"""Workers and balancers that come and go under load: no call fails."""

import asyncio
from collections import Counter
from pathlib import Path

from balancer.fleet.worker_states import WorkerState
from tests.harness.in_process.balancer import Load, RunningBalancer, running_balancer
from tests.harness.waiting import until

GREET = """
from slotgrid.function import Context, function

@function()
async def greet(context: Context) -> str:
    return "hello"
"""


async def test_a_rolling_restart_under_load_fails_no_call(balancer: RunningBalancer) -> None:
    names = ["worker-1", "worker-2"]
    workers = {name: await balancer.worker(name) for name in names}
    async with Load(balancer, callers=6) as load:
        for name in names:
            workers[name].terminate()
            assert await workers[name].ended() == 0
            boot = balancer.boot_of(name)
            await balancer.start_worker(name)
            await until(lambda name=name, boot=boot: balancer.boot_of(name) != boot)  # type: ignore[misc]
            await balancer.until_worker(name, WorkerState.READY)
    assert load.answers > 50
    assert load.problems == Counter()
    assert {*load.workers} == {*names}


async def test_an_update_to_another_contract_under_load_fails_no_call(
    balancer: RunningBalancer,
) -> None:
    names = ["worker-1", "worker-2"]
    workers = {name: await balancer.worker(name, CONTRACT=1) for name in names}
    async with Load(balancer, callers=6) as load:
        for name in names:
            workers[name].terminate()
            assert await workers[name].ended() == 0
            await balancer.start_worker(name, CONTRACT=2)
            await balancer.until_worker(name, WorkerState.READY)
            await until(lambda: load.answers % 7 == 0)  # some go on meanwhile
    assert load.problems == Counter()
    assert balancer.balancer.fleet.roster.groups()["default"] == [2]


async def test_a_worker_that_restarts_with_other_functions_offers_those(
    balancer: RunningBalancer,
) -> None:
    worker = await balancer.worker("worker-1")
    assert (await balancer.submit("greet")).status == 404
    (worker.folder / "functions" / "greet.py").write_text(GREET)
    await until(lambda: balancer.balancer.fleet.roster.find("greet") is not None, 20)
    assert await balancer.call("greet") == "hello"
    (worker.folder / "functions" / "greet.py").unlink()
    worker.kill()
    await balancer.worker("worker-1")
    assert (await balancer.submit("greet")).status == 404


async def test_a_balancer_that_restarts_takes_up_what_was_recorded(tmp_path: Path) -> None:
    async with running_balancer(tmp_path) as balancer:
        await balancer.worker("worker-1", SLOTS=1)
        holding = balancer.start("nap")
        await balancer.until_running(1)
        accepted = await balancer.submit("echo", input={"value": 7}, mode="async")
        task_id = accepted.json["id"]
        holding.cancel()
        balancer.balancer.durability.tasks.release_queued()
        await asyncio.wait({holding})
    async with running_balancer(tmp_path) as balancer:
        await balancer.worker("worker-1", SLOTS=1)
        task = (await balancer.get(f"/tasks/{task_id}", wait_s="20"))["task"]
        assert (task["status"], task["result"]) == ("completed", 7)


async def test_a_drained_balancer_answers_whoever_waits(tmp_path: Path) -> None:
    async with running_balancer(tmp_path) as balancer:
        await balancer.worker("worker-1")
        callers = [balancer.start("nap", seconds=1) for _ in range(4)]
        await balancer.until_running(2)
        answer = await balancer.request("POST", "/drain")
        assert answer.status == 200, answer.body
        assert (await balancer.submit("echo")).status == 503
        assert {(await caller).status for caller in callers} == {200}
