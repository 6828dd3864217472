"""Tasks whose `started` may have been on its way when the link broke: none begins twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from balancer.fleet.worker_states import WorkerState
from slotgrid.wire import messages as m
from slotgrid.wire.limits import LOST_AFTER_S
from slotgrid.wire.link_ending import CloseCode
from tests.harness.calls import Answer
from tests.harness.in_process.balancer import RunningBalancer
from tests.harness.peers.fake_worker import ECHO, FakeWorker, fake_worker
from tests.harness.peers.proxy import Proxy
from tests.harness.waiting import until

SAFE = msgspec.structs.replace(ECHO, retries=1)


def marks(file: Path) -> int:
    """How often the function began that leaves marks there."""
    return len(file.read_text().splitlines()) if file.exists() else 0


async def test_what_began_behind_a_broken_link_is_not_begun_elsewhere(
    balancer: RunningBalancer, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    async with Proxy(balancer.url).running() as proxy:
        await balancer.worker("worker-1", BALANCER_URL=proxy.url)
        # Started before anything is held: a worker that is slow to start would outlast the silence.
        await balancer.worker("worker-2")
        await balancer.request("POST", "/workers/worker-2/off")
        await balancer.until_worker("worker-2", WorkerState.MAINTENANCE)
        proxy.hold("back", "there")
        caller = balancer.start("mark", file=str(file), seconds=2)
        await until(lambda: balancer.balancer.links.calls == 1)
        await balancer.request("POST", "/workers/worker-2/on")
        proxy.flow("back")  # the task gets through, its `started` does not
        await until(lambda: marks(file) == 1)
        proxy.cut()
        proxy.flow()
        answer = await caller
        await balancer.idle()
    assert (answer.status, answer.json.get("worker")) == (200, "worker-1")
    assert marks(file) == 1


async def test_what_ended_behind_a_broken_link_is_told_and_not_begun_again(
    balancer: RunningBalancer, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    async with Proxy(balancer.url).running() as proxy:
        await balancer.worker("worker-1", BALANCER_URL=proxy.url)
        proxy.hold("there")
        caller = balancer.start("mark", file=str(file))
        await until(lambda: marks(file) == 1)
        proxy.cut()
        proxy.flow()
        answer = await caller
        await balancer.idle()
    assert (answer.status, answer.json.get("result")) == (200, "marked")
    assert marks(file) == 1


async def test_what_did_not_get_through_a_broken_link_begins_once(
    balancer: RunningBalancer, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    async with Proxy(balancer.url).running() as proxy:
        await balancer.worker("worker-1", BALANCER_URL=proxy.url)
        proxy.hold("back")
        caller = balancer.start("mark", file=str(file))
        await until(lambda: balancer.balancer.links.calls == 1)
        proxy.cut()
        proxy.flow()
        answer = await caller
        await balancer.idle()
    assert answer.status == 200, answer.body
    assert marks(file) == 1


async def test_what_was_sent_to_a_worker_that_stood_still_begins_once_at_most(
    balancer: RunningBalancer, tmp_path: Path
) -> None:
    worker = await balancer.worker("worker-1", SLOTS=3)
    worker.freeze()
    files = [tmp_path / f"marks-{number}" for number in range(3)]
    callers = [balancer.start("mark", file=str(file)) for file in files]
    await until(lambda: balancer.balancer.links.calls == 3)
    await balancer.worker("worker-2")
    answers = [await caller for caller in callers]
    assert {answer.status for answer in answers} == {502}
    assert all("may have started" in answer.json["error"] for answer in answers)
    worker.thaw()
    await balancer.until_worker("worker-1", WorkerState.READY)
    await balancer.idle()
    assert all(marks(file) <= 1 for file in files)


async def test_a_task_that_takes_its_process_down_does_not_take_down_the_next(
    balancer: RunningBalancer, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    worker = await balancer.worker("worker-1")
    caller = balancer.start("die", file=str(file))
    await worker.ended()
    await balancer.worker("worker-1")  # in its place, before it is given up
    answer = await caller
    assert (answer.status, answer.json["type"]) == (502, "/problems/worker-lost")
    assert marks(file) == 1


@asynccontextmanager
async def unanswered(
    balancer: RunningBalancer, **hello: Any
) -> AsyncIterator[tuple[FakeWorker, str, "asyncio.Task[Answer]"]]:
    """A worker that was sent a task and has not said a word of it; the task's id; its caller."""
    async with fake_worker(balancer, "lost", boot="b1", **hello) as worker:
        caller = balancer.start("echo")
        await until(lambda: any(isinstance(heard, m.TaskMessage) for heard in worker.heard))
        (task,) = (heard for heard in worker.heard if isinstance(heard, m.TaskMessage))
        yield worker, task.id, caller


def cut(worker: FakeWorker) -> None:
    """The network to it is gone."""
    worker.link._cut()


def answering(worker: FakeWorker) -> None:
    """Have it run every task that it is sent."""

    def run(task: m.TaskMessage) -> None:
        worker.start(task)
        free = {"default": worker.slots}
        done = m.Done(id=task.id, result=msgspec.Raw(b"1"), free=free, seq=worker.seq())
        worker.link.send(done, lane=task.id)

    worker.on_task = run


async def test_a_worker_that_is_back_and_has_it_goes_on_with_it(balancer: RunningBalancer) -> None:
    async with unanswered(balancer) as (worker, task_id, caller):
        cut(worker)
        await balancer.until_worker("lost", WorkerState.LOST)
        boot = balancer.balancer.links.boot
        async with fake_worker(balancer, "lost", boot="b1", running={boot: (task_id,)}) as back:
            (welcome,) = (heard for heard in back.heard if isinstance(heard, m.Welcome))
            assert [claim.id for claim in welcome.running] == [task_id]
            await balancer.until_running(1)
            done = m.Done(id=task_id, result=msgspec.Raw(b"1"), free={"default": 4}, seq=back.seq())
            back.link.send(done, lane=task_id)
            assert (await caller).json["result"] == 1


async def test_a_worker_that_is_back_and_never_had_it_leaves_it_to_others(
    balancer: RunningBalancer,
) -> None:
    async with unanswered(balancer) as (worker, task_id, caller):
        cut(worker)
        await balancer.until_worker("lost", WorkerState.LOST)
        async with fake_worker(balancer, "lost", boot="b1") as back:
            answering(back)
            problem = {"type": "/problems/worker-lost", "status": 502, "title": "", "detail": ""}
            back.link.send(
                m.Failed(id=task_id, problem=problem, free={"default": 4}, seq=back.seq()),
                lane=task_id,
            )
            assert (await caller).json["result"] == 1


async def test_another_process_of_that_name_shows_that_the_first_never_began(
    balancer: RunningBalancer,
) -> None:
    async with unanswered(balancer) as (worker, _, caller):
        cut(worker)
        await balancer.until_worker("lost", WorkerState.LOST)
        async with fake_worker(balancer, "lost", boot="b2") as next_one:
            answering(next_one)
            assert (await caller).json["result"] == 1


async def test_a_worker_that_says_goodbye_has_not_begun_what_it_has_not_answered(
    balancer: RunningBalancer,
) -> None:
    async with unanswered(balancer) as (worker, _, caller), fake_worker(balancer, "other") as other:
        answering(other)
        worker.link.close(CloseCode.GOING_AWAY, "it ends")
        assert (await caller).json["result"] == 1


@pytest.mark.parametrize("how", ["cut", "silent"])
async def test_of_a_worker_that_stays_away_it_counts_as_begun(
    balancer: RunningBalancer, how: str
) -> None:
    async with unanswered(balancer) as (worker, _, caller), fake_worker(balancer, "other") as other:
        answering(other)
        if how == "cut":
            cut(worker)
        else:
            session = balancer.balancer.links.session("lost")
            assert session is not None
            session.link._lose(CloseCode.SILENT, f"no message for {LOST_AFTER_S} s")
        answer = await caller
        assert (answer.status, answer.json["type"]) == (502, "/problems/worker-lost")
        assert "may have started" in answer.json["error"]
        assert not any(isinstance(heard, m.TaskMessage) for heard in other.heard)


async def test_what_may_run_twice_is_begun_elsewhere_when_its_worker_stays_away(
    balancer: RunningBalancer,
) -> None:
    async with (
        unanswered(balancer, functions=(SAFE,)) as (worker, _, caller),
        fake_worker(balancer, "other", functions=(SAFE,)) as other,
    ):
        answering(other)
        cut(worker)
        assert (await caller).json["result"] == 1
