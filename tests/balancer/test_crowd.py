"""Many callers at once: those who leave, those who do not read, and all the others."""

import asyncio
import random
from collections import Counter

from tests.harness.in_process.balancer import Load, RunningBalancer
from tests.harness.waiting import until


async def test_a_hundred_callers_who_hang_up_at_random_leave_nothing(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker("worker-1", SLOTS=3)
    await balancer.worker("worker-2", SLOTS=3)
    chance = random.Random(11)
    callers = [balancer.start("nap", seconds=chance.random()) for _ in range(100)]

    async def leave(caller: "asyncio.Task[object]") -> None:
        await asyncio.sleep(chance.random() * 3)
        caller.cancel()
        await asyncio.wait({caller})

    await asyncio.gather(*(leave(caller) for caller in callers))
    await balancer.idle()
    answers = await asyncio.gather(
        *(balancer.submit("echo", input={"value": n}) for n in range(12))
    )
    assert Counter(answer.status for answer in answers) == {200: 12}


async def test_a_caller_who_does_not_read_stops_its_own_task_alone(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker("worker-1", SLOTS=4)
    body = {
        "function": "talk",
        "input": {"pieces": 2000, "size": 16_384},
        "mode": "stream",
    }
    async with balancer.caller.post("/task", json=body) as response:
        await response.content.read(1)
        async with Load(balancer, callers=20) as load:
            await until(lambda: load.answers > 500, 30)
        assert load.problems == {}
        (task,) = [t for t in balancer.balancer.supervisor.live if t.spec.name == "talk"]
        said = task.events.last_id
        assert said < 2000  # it waits for its reader
        assert len(await response.content.read()) > 2000 * 16_384


async def test_many_tasks_on_four_slots_are_each_run_once(balancer: RunningBalancer) -> None:
    await balancer.worker("worker-1", SLOTS=2)
    await balancer.worker("worker-2", SLOTS=2)
    answers = await asyncio.gather(
        *(balancer.submit("echo", input={"value": n}) for n in range(400))
    )
    assert [answer.json["result"] for answer in answers] == list(range(400))
    by_worker = Counter(answer.json["worker"] for answer in answers)
    assert min(by_worker.values()) > 40
