"""Balancers that die: their workers are free again, and durable tasks go on."""

import asyncio
import signal
from pathlib import Path

import pytest
from aiohttp import ClientError

from tests.harness.processes.nodes import nodes
from tests.harness.processes.postgres import postgres


async def test_a_balancer_that_is_killed_under_load_leaves_its_workers_free(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path) as started:
        balancer = await started.balancer("balancer-1")
        port = balancer.url.rpartition(":")[2]
        worker = await started.worker("worker-1", balancer)
        await balancer.until_ready_workers(1)
        callers = [
            asyncio.create_task(balancer.submit("nap", input={"seconds": 60})) for _ in range(5)
        ]
        await worker.until_used(2)
        accepted = await balancer.submit("echo", input={"value": 7}, mode="async")
        assert accepted.status == 202, accepted.body
        balancer.process.kill()
        for ended in await asyncio.gather(*callers, return_exceptions=True):
            assert isinstance(ended, ClientError)
        again = await started.balancer("balancer-1", PORT=port)
        await again.until_ready_workers(1)
        task = (await again.get(f"/tasks/{accepted.json['id']}", wait_s="15"))["task"]
        assert (task["status"], task["result"]) == ("completed", 7)
        await worker.until_idle()  # what the dead one had sent was cancelled: nobody claims it
        assert (await again.submit("echo", input={"value": 1})).status == 200
        await again.until_idle()


async def test_a_balancer_that_is_restarted_under_load_answers_every_caller(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path) as started:
        balancer = await started.balancer("balancer-1")
        port = balancer.url.rpartition(":")[2]
        worker = await started.worker("worker-1", balancer)
        await balancer.until_ready_workers(1)
        callers = [
            asyncio.create_task(balancer.submit("nap", input={"seconds": 0.2})) for _ in range(20)
        ]
        await worker.until_used(2)
        balancer.process.send(signal.SIGTERM)
        answers = await asyncio.gather(*callers)  # those that wait as well
        assert {answer.status for answer in answers} == {200}
        assert await asyncio.to_thread(balancer.process.wait) == 0
        again = await started.balancer("balancer-1", PORT=port)
        await again.until_ready_workers(1)
        answers = await asyncio.gather(
            *(again.submit("echo", input={"value": n}) for n in range(20))
        )
        assert [answer.json["result"] for answer in answers] == list(range(20))
        for node in (again, worker):
            await node.until_idle()


async def test_a_balancer_that_was_killed_runs_again_what_may_run_twice_when_workers_are_back(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path) as started:
        balancer = await started.balancer("balancer-1")
        port = balancer.url.rpartition(":")[2]
        worker = await started.worker("worker-1", balancer)
        await balancer.until_ready_workers(1)
        ids = [
            (await balancer.submit(function, input={"seconds": 60}, mode="async")).json["id"]
            for function in ("sure_nap", "nap")
        ]
        await worker.until_used(2)
        worker.process.send(signal.SIGSTOP)  # the balancer is back before it
        balancer.process.kill()
        again = await started.balancer("balancer-1", PORT=port)
        for task_id in ids:  # nobody knows yet whether it may run twice
            assert (await again.get(f"/tasks/{task_id}"))["task"]["status"] == "running"
        worker.process.send(signal.SIGCONT)
        safe, lost = [(await again.get(f"/tasks/{id_}", wait_s="18"))["task"] for id_ in ids]
        assert (safe["status"], safe["result"]) == ("completed", 2), safe
        assert (lost["status"], lost["error"]["type"]) == ("failed", "/problems/worker-lost")
        await worker.until_used(0)


async def test_a_restarted_balancer_calls_nothing_unknown_that_a_worker_may_bring_back(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path) as started:
        balancer = await started.balancer("balancer-1")
        port = balancer.url.rpartition(":")[2]
        await started.worker("worker-1", balancer)
        slow = await started.worker("worker-2", balancer, GROUP="shop")
        await balancer.until_ready_workers(2)
        slow.process.send(signal.SIGSTOP)
        balancer.process.kill()
        again = await started.balancer("balancer-1", PORT=port)
        await again.until_ready_workers(1)
        answer = await again.submit("echo", group="shop")
        assert (answer.status, answer.json["type"]) == (503, "/problems/no-worker")
        assert "Retry-After" in answer.headers
        # What the other group's worker may have is open; of this one's nothing is.
        assert (await again.submit("ehco")).status == 404
        slow.process.send(signal.SIGCONT)
        await again.until_ready_workers(2)
        assert (await again.submit("echo", group="shop")).status == 200


async def test_a_worker_serves_two_balancers_and_each_counts_what_the_other_took(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path) as started:
        one, other = await started.balancer("balancer-1"), await started.balancer("balancer-2")
        worker = await started.worker("worker-1", one, other)
        await one.until_ready_workers(1)
        await other.until_ready_workers(1)
        answers = await asyncio.gather(
            *(node.submit("echo", input={"value": n}) for n in range(100) for node in (one, other))
        )
        assert {answer.status for answer in answers} == {200}
        nap = asyncio.create_task(one.submit("nap", input={"seconds": 1.5}))
        await worker.until_used(1)
        await other.until_used(1)
        assert (await nap).status == 200
        for node in (one, other, worker):
            await node.until_idle()


@pytest.mark.timeout(180)
async def test_of_two_balancers_on_one_database_one_goes_on_with_what_the_dead_one_accepted(
    tmp_path: Path,
) -> None:
    with postgres() as server:
        url = server.create_database()
        async with nodes(tmp_path) as started:
            one = await started.balancer("balancer-1", DATABASE_URL=url)
            other = await started.balancer("balancer-2", DATABASE_URL=url)
            worker = await started.worker("worker-1", one, other)
            await one.until_ready_workers(1)
            await other.until_ready_workers(1)
            ids = []
            for n in range(12):
                body = {"input": {"seconds": 0.3}} if n % 2 else {"input": {"value": n}}
                function = "sure_nap" if n % 2 else "echo"
                answer = await one.submit(function, mode="async", **body)
                assert answer.status == 202, answer.body
                ids.append(answer.json["id"])
            one.process.kill()
            sync = await other.submit("echo", input={"value": "meanwhile"})
            assert sync.status == 200, sync.body
            for task_id in ids:
                task = (await other.get(f"/tasks/{task_id}", wait_s="18"))["task"]
                if task["status"] not in {"completed", "failed"}:
                    task = (await other.get(f"/tasks/{task_id}", wait_s="18"))["task"]
                # Of what had started, only functions with `retries` may run again.
                lost = task["error"] and task["error"]["type"] == "/problems/worker-lost"
                assert task["status"] == "completed" or (lost and task["function"] == "echo"), task
            await worker.until_idle()
