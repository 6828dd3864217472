"""Workers that die, stand still, or are cut off: nobody hangs, and every count is right after."""

import asyncio
import time

from balancer.fleet.worker_states import WorkerState
from tests.harness.in_process.balancer import Load, RunningBalancer
from tests.harness.peers.proxy import Proxy
from tests.harness.waiting import until


async def test_a_task_of_a_worker_that_is_killed_fails_at_once(balancer: RunningBalancer) -> None:
    worker = await balancer.worker()
    caller = balancer.start("nap")
    await balancer.until_running(1)
    began = time.monotonic()
    worker.kill()
    answer = await caller
    assert answer.status == 502, answer.body
    assert answer.json["type"] == "/problems/worker-lost"
    assert time.monotonic() - began < 15.0  # three heartbeats, and room for a busy machine
    await balancer.until_worker("worker-1", WorkerState.LOST)


async def test_a_listed_worker_that_is_killed_is_known_dead_as_nobody_answers_there(
    balancer: RunningBalancer,
) -> None:
    worker = await balancer.start_worker("worker-1", BALANCER_URL="")
    balancer.list_workers(worker.url)
    await balancer.until_worker("worker-1", WorkerState.READY)
    caller = balancer.start("nap")
    await balancer.until_running(1)
    began = time.monotonic()
    worker.kill()
    assert (await caller).status == 502
    assert time.monotonic() - began < 2.0  # it was not waited for


async def test_a_task_that_may_run_twice_goes_to_another_worker(balancer: RunningBalancer) -> None:
    first = await balancer.worker("worker-1")
    caller = balancer.start("sure_nap")
    await balancer.until_running(1)
    await balancer.worker("worker-2")
    first.kill()
    answer = await caller
    assert answer.status == 200, answer.body
    assert (answer.json["result"], answer.json["worker"]) == (2, "worker-2")


async def test_a_worker_that_stands_still_is_lost_after_three_heartbeats_and_comes_back(
    balancer: RunningBalancer,
) -> None:
    worker = await balancer.worker()
    caller = balancer.start("nap")
    await balancer.until_running(1)
    worker.freeze()
    began = time.monotonic()
    answer = await caller
    assert answer.status == 502, answer.body
    assert time.monotonic() - began < 15.0
    waiting = balancer.start("echo", value="after the thaw")
    worker.thaw()
    await balancer.until_worker("worker-1", WorkerState.READY)
    assert (await waiting).status in {200, 503}
    await balancer.idle()  # the worker has ended the task that nobody waits for


async def test_tasks_of_nobody_are_refused_while_their_worker_is_lost(
    balancer: RunningBalancer,
) -> None:
    worker = await balancer.worker()
    worker.kill()
    await balancer.until_worker("worker-1", WorkerState.LOST)
    answer = await balancer.submit("echo")
    assert answer.status == 503, answer.body
    assert answer.json["type"] == "/problems/no-worker"
    assert "Retry-After" in answer.headers


async def test_without_any_worker_tasks_are_refused_at_once(balancer: RunningBalancer) -> None:
    answer = await balancer.submit("echo")
    assert answer.status == 503, answer.body
    assert answer.json["type"] == "/problems/no-worker"


async def test_an_unknown_function_is_404_with_the_nearest_names(balancer: RunningBalancer) -> None:
    await balancer.worker()
    answer = await balancer.submit("ecko")
    assert answer.status == 404, answer.body
    assert answer.json["suggestions"] == ["echo"]
    answer = await balancer.submit("echo", group="nobodys")
    assert (answer.status, answer.json["type"]) == (404, "/problems/unknown-group")


async def test_a_worker_that_restarts_takes_its_own_place(balancer: RunningBalancer) -> None:
    worker = await balancer.worker()
    boot = balancer.boot_of("worker-1")
    worker.kill()
    again = await balancer.start_worker("worker-1")
    await until(lambda: balancer.boot_of("worker-1") not in {None, boot})
    await balancer.until_worker("worker-1", WorkerState.READY)
    assert await balancer.call("echo", value=2) == 2
    assert again.process.runs


async def test_of_two_that_live_under_one_name_the_first_keeps_it(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker("worker-1")
    boot = balancer.boot_of("worker-1")
    twin = await balancer.start_worker("worker-1", DATA_DIR=str(balancer.folder / "twin"))
    await asyncio.to_thread(twin.process.until_event, "uplink.rejected")
    links = balancer.balancer.links
    for _ in range(2):  # it tries again and again, which is news only once
        await until(lambda: links.pending_link("worker-1") is not None)
        await until(lambda: links.pending_link("worker-1") is None)
    assert len(balancer.events_logged("worker.rejected")) == 1
    assert balancer.boot_of("worker-1") == boot
    assert await balancer.call("echo", value=1) == 1


async def test_a_worker_that_is_listed_and_dials_in_has_one_link(balancer: RunningBalancer) -> None:
    worker = await balancer.worker("worker-1")
    balancer.list_workers({"url": worker.url, "weight": 2})
    known = balancer.balancer.fleet.roster.worker("worker-1")
    assert known is not None
    await until(lambda: known.address == worker.url and known.weight == 2.0)
    assert not balancer.balancer.fleet.expected.unheard
    assert await balancer.call("echo", value=1) == 1
    assert len(list(balancer.balancer.fleet.roster.workers())) == 1


async def test_an_entry_that_disappears_is_drained(balancer: RunningBalancer) -> None:
    worker = await balancer.start_worker("worker-1", BALANCER_URL="")
    balancer.list_workers(worker.url)
    await balancer.until_worker("worker-1", WorkerState.READY)
    caller = balancer.start("nap", seconds=2)
    await balancer.until_running(1)
    balancer.list_workers()
    await balancer.until_worker("worker-1", WorkerState.REMOVED)
    assert (await balancer.submit("echo")).status == 503
    assert (await caller).status == 200
    await balancer.until_worker("worker-1", None)
    assert worker.process.runs
    balancer.list_workers(worker.url)
    await balancer.until_worker("worker-1", WorkerState.READY)


async def test_a_broken_list_disturbs_nobody_and_is_told(balancer: RunningBalancer) -> None:
    workers = [await balancer.start_worker(f"worker-{n}", BALANCER_URL="") for n in (1, 2)]
    balancer.list_workers(*(worker.url for worker in workers))
    for worker in workers:
        await balancer.until_worker(worker.name, WorkerState.READY)
    async with Load(balancer, callers=4) as load:
        balancer.balancer.settings.workers_file.write_text('["http://10.0.0.1:3000", ')
        await until(lambda: balancer.balancer.inventory.fault is not None)
        health = await balancer.get("/health")
        assert "not JSON" in health["workers"]["file_fault"]
        seen = load.answers
        await until(lambda: load.answers > seen + 50)
        balancer.list_workers(*(worker.url for worker in workers))
        await until(lambda: balancer.balancer.inventory.fault is None)
    assert load.problems == {}
    assert len(balancer.events_logged("worker.joined")) == 2


async def test_an_entry_that_moves_takes_its_worker_along(balancer: RunningBalancer) -> None:
    worker = await balancer.start_worker("worker-1", BALANCER_URL="")
    balancer.list_workers(worker.url)
    await balancer.until_worker("worker-1", WorkerState.READY)
    async with Proxy(worker.url).running() as moved:
        balancer.list_workers({"url": moved.url, "labels": {"moved": "yes"}})
        placed = {"place": {"labels": {"moved": "yes"}}}

        def is_there() -> bool:
            known = balancer.balancer.fleet.roster.worker("worker-1")
            return known is not None and (known.address, known.state) == (moved.url, "ready")

        await until(is_there, 20)
        assert (await balancer.submit("echo", **placed)).status == 200
        assert len(list(balancer.balancer.fleet.roster.workers())) == 1
        await balancer.idle()
