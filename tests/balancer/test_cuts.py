"""The network between balancer and worker is cut, held and slow, in each direction."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from balancer.fleet.worker_states import WorkerState
from slotgrid.wire.limits import LOST_AFTER_S
from tests.harness.in_process.balancer import Load, RunningBalancer
from tests.harness.peers.proxy import Proxy
from tests.harness.waiting import until
from tests.slotgrid.core.fakes import ManualClock


@pytest.fixture
async def proxy(balancer: RunningBalancer) -> AsyncIterator[Proxy]:
    """What stands between the balancer and workers that dial."""
    async with Proxy(balancer.url).running() as proxy:
        yield proxy
        proxy.flow()
        await balancer.idle()  # while the links still stand


async def test_a_task_goes_on_when_its_link_is_made_again_in_time(
    balancer: RunningBalancer, proxy: Proxy
) -> None:
    await balancer.worker("worker-1", BALANCER_URL=proxy.url)
    caller = balancer.start("nap", seconds=2)
    await balancer.until_running(1)
    boot = balancer.boot_of("worker-1")
    proxy.cut()
    await balancer.until_worker("worker-1", WorkerState.LOST)
    await balancer.until_worker("worker-1", WorkerState.READY)
    assert balancer.boot_of("worker-1") == boot
    answer = await caller
    assert (answer.status, answer.json.get("result")) == (200, "rested")


async def test_a_worker_whose_broken_link_looks_alive_here_is_back_with_its_tasks(
    balancer: RunningBalancer, proxy: Proxy
) -> None:
    links, clock = balancer.balancer.links, ManualClock()
    links._clock = clock
    await balancer.worker("worker-1", BALANCER_URL=proxy.url)
    caller = balancer.start("nap", seconds=5)
    await balancer.until_running(1)
    boot = balancer.boot_of("worker-1")
    proxy.cut_half()
    await until(lambda: links.pending_link("worker-1") == boot)
    clock.advance(LOST_AFTER_S)
    answer = await caller
    assert (answer.status, answer.json.get("result")) == (200, "rested")
    assert balancer.boot_of("worker-1") == boot
    assert len(balancer.events_logged("worker.joined")) == 2


@pytest.mark.parametrize("direction", ["there", "back"])
async def test_a_link_that_is_closed_by_half_is_made_again_and_its_tasks_go_on(
    balancer: RunningBalancer, proxy: Proxy, direction: str
) -> None:
    await balancer.worker("worker-1", BALANCER_URL=proxy.url)
    caller = balancer.start("nap", seconds=2)
    await balancer.until_running(1)
    boot = balancer.boot_of("worker-1")
    proxy.half_close(direction)
    await until(lambda: len(balancer.events_logged("worker.joined")) == 2)
    answer = await caller
    assert (answer.status, answer.json.get("result")) == (200, "rested")
    assert balancer.boot_of("worker-1") == boot
    assert await balancer.call("echo", value=1) == 1


async def test_events_have_no_gap_and_no_double_over_a_cut(
    balancer: RunningBalancer, proxy: Proxy
) -> None:
    await balancer.worker("worker-1", BALANCER_URL=proxy.url)
    streaming = asyncio.create_task(balancer.stream("talk", pieces=60, pause_s=0.03))
    await balancer.until_running(1)
    for _ in range(2):
        await asyncio.sleep(0.4)
        proxy.cut()
    events = await streaming
    letters = [chr(ord("a") + number % 26) for number in range(60)]
    assert [payload.get("data") for kind, payload in events if kind == "chunk"] == letters
    assert events[-1][0] == "done"


@pytest.mark.parametrize("direction", ["there", "back", "both"])
async def test_a_link_that_lets_nothing_through_is_lost_after_three_heartbeats(
    balancer: RunningBalancer, proxy: Proxy, direction: str
) -> None:
    await balancer.worker("worker-1", BALANCER_URL=proxy.url)
    caller = balancer.start("nap")
    await balancer.until_running(1)
    proxy.hold(*([] if direction == "both" else [direction]))
    began = time.monotonic()
    answer = await caller
    assert answer.status == 502, answer.body
    assert time.monotonic() - began < 10.0
    proxy.flow()
    proxy.cut()
    await balancer.until_worker("worker-1", WorkerState.READY)
    await balancer.idle()  # the worker has cancelled what nobody claims
    assert await balancer.call("echo", value=1) == 1


@pytest.mark.parametrize("directions", [("there",), ("back",), ("there", "back")])
async def test_a_slow_network_slows_and_loses_nothing(
    balancer: RunningBalancer, proxy: Proxy, directions: tuple[str, ...]
) -> None:
    await balancer.worker("worker-1", BALANCER_URL=proxy.url)
    proxy.delay(0.2, *directions)
    answers = await asyncio.gather(*(balancer.submit("echo", input={"value": n}) for n in range(9)))
    assert [answer.json["result"] for answer in answers] == list(range(9))


async def test_tasks_go_elsewhere_while_one_worker_is_cut_off_again_and_again(
    balancer: RunningBalancer, proxy: Proxy
) -> None:
    await balancer.worker("worker-1", BALANCER_URL=proxy.url)
    await balancer.worker("worker-2")
    async with Load(balancer, callers=6) as load:
        for _ in range(5):
            proxy.cut()
            await balancer.until_worker("worker-1", WorkerState.READY)
            seen = load.workers["worker-1"]
            await until(lambda seen=seen: load.workers["worker-1"] > seen)  # type: ignore[misc]
    unexpected = {kind for kind in load.problems if "worker-lost" not in kind}
    assert unexpected == set()
    assert load.workers["worker-2"] > 10
