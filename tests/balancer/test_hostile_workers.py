"""Workers that lie, flood or keep silent: every caller is answered, and the others go on."""

import asyncio
import time

import msgspec
import pytest
from aiohttp import ClientSession

from balancer.fleet.pace import REPORTS_LIMIT
from balancer.fleet.states import WorkerState
from slotgrid.wire import messages as m
from slotgrid.wire import sockets
from slotgrid.wire.encoding import from_balancer
from slotgrid.wire.ending import CloseCode
from tests.balancer.fake_worker import ECHO, fake_worker
from tests.balancer.running import LINK_KEY, Load, RunningBalancer
from tests.worker.browser.waiting import until


async def test_a_worker_that_claims_slots_and_refuses_every_task_holds_nobody_up(
    balancer: RunningBalancer,
) -> None:
    async with fake_worker(balancer, slots=100) as liar:
        liar.on_task = liar.refuse
        waiting = [balancer.start("echo", value=n) for n in range(10)]
        await until(lambda: any(isinstance(heard, m.TaskMessage) for heard in liar.heard))
        liar.link.send(liar.report())  # and it has room again, it says
    await balancer.worker("worker-1")
    # The honest one's functions differ, and it is alone now: it sets what the contract is.
    assert {(await caller).status for caller in waiting} == {200}


async def test_a_worker_that_never_answers_a_task_is_given_up(balancer: RunningBalancer) -> None:
    async with fake_worker(balancer) as silent:
        caller = balancer.start("echo", value=1)
        await until(lambda: any(isinstance(heard, m.TaskMessage) for heard in silent.heard))
        began = time.monotonic()
        await until(lambda: any(isinstance(heard, m.Cancel) for heard in silent.heard), 20)
        assert time.monotonic() - began > 5
        answer = await caller
        assert (answer.status, answer.json["type"]) == (502, "/problems/worker-lost")
        assert "may have started" in answer.json["error"]
        cancelled = next(heard for heard in silent.heard if isinstance(heard, m.Cancel))
        silent.link.send(m.Refused(id=cancelled.id, kind="busy", reason="was never here"))
        await until(lambda: balancer.balancer.dispatcher.leased == 0)


async def test_a_worker_that_starts_a_task_and_goes_fails_it_at_once(
    balancer: RunningBalancer,
) -> None:
    async with fake_worker(balancer) as worker:
        worker.on_task = worker.start
        caller = balancer.start("echo", value=1)
        await balancer.until_running(1)
        worker.link.close(CloseCode.GOING_AWAY, "it ends")
        answer = await caller
    assert (answer.status, answer.json["type"]) == (502, "/problems/worker-lost")


async def test_what_a_worker_says_of_tasks_that_it_does_not_have_is_left_out(
    balancer: RunningBalancer,
) -> None:
    async with fake_worker(balancer) as worker:
        free = {"default": 4}
        for _ in range(3):
            worker.link.send(m.Started(id="nobodys", slot=1, free=free, seq=worker.seq()))
            worker.link.send(m.Refused(id="nobodys", kind="busy", reason="no"))
            worker.link.send(
                m.Failed(id="nobodys", problem={"type": 3}, free=free, seq=worker.seq())
            )
            worker.link.send(m.Reply(ask="nobodys", status=200, body=msgspec.Raw(b"1")))
        worker.on_task = worker.start
        caller = balancer.start("echo")
        await balancer.until_running(1)
        (task,) = (heard for heard in worker.heard if isinstance(heard, m.TaskMessage))
        problem = {"type": "/problems/made-up", "detail": ["not", "text"], "status": "x"}
        worker.link.send(m.Failed(id=task.id, problem=problem, free=free, seq=worker.seq()))
        answer = await caller
        assert (answer.status, answer.json["type"]) == (500, "/problems/internal")


async def test_of_reports_that_come_too_often_few_are_acted_upon_and_the_newest_counts(
    balancer: RunningBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fake_worker(balancer) as flooding:
        known = balancer.balancer.fleet.roster.worker("fake")
        session = balancer.balancer.links.session("fake")
        assert known is not None
        assert session is not None
        believed: list[m.Report] = []
        believe = session._believe
        monkeypatch.setattr(session, "_believe", believed.append)
        for number in range(REPORTS_LIMIT // 2):
            flooding.link.send(flooding.report(number % 4))
        flooding.link.send(flooding.report(3))
        newest = flooding._seq
        await until(lambda: bool(believed) and believed[-1].seq == newest)
        assert len(believed) < 50
        believe(believed[-1])
        assert known.free == {"default": 3}
        assert flooding.link.ending is None


async def test_a_worker_that_floods_reports_loses_its_link_and_slows_nobody_down(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker("worker-1")
    async with fake_worker(balancer, group="other") as flooding, Load(balancer, callers=2) as load:
        for _ in range(20):
            for _ in range(500):
                flooding.link.send(flooding.report())
            await asyncio.sleep(0.05)
        assert flooding.ended is not None
        ending = await flooding.ended
    assert (ending.code, ending.by_peer) == (CloseCode.PROTOCOL, True)
    assert "reports in a second" in ending.reason
    assert load.problems == {}
    assert load.slowest_s < 2.0


async def test_a_worker_of_another_major_version_is_told_why_it_is_refused(
    balancer: RunningBalancer,
) -> None:
    async with fake_worker(balancer, welcome=False, protocol="2.0") as stranger:
        assert stranger.ended is not None
        ending = await stranger.ended
        assert ending.code == CloseCode.REJECTED
        assert "protocol 2.0" in ending.reason
        assert [type(heard) for heard in stranger.heard] == [m.Rejected]
    assert balancer.boot_of("fake") is None


async def test_a_worker_of_a_newer_minor_version_is_welcome(balancer: RunningBalancer) -> None:
    async with fake_worker(balancer, protocol="1.9") as newer:
        await balancer.until_worker("fake", WorkerState.READY)
        assert newer.link.ending is None


async def test_a_function_with_a_schema_that_is_none_is_refused_with_the_reason(
    balancer: RunningBalancer,
) -> None:
    broken = msgspec.structs.replace(ECHO, input={"type": "no such type"})
    async with fake_worker(balancer, welcome=False, functions=(broken,)) as worker:
        assert worker.ended is not None
        assert "a function cannot be used" in (await worker.ended).reason


async def test_a_worker_that_says_no_hello_is_let_go(balancer: RunningBalancer) -> None:
    async with ClientSession() as session:
        link = await sockets.dial(session, balancer.url, LINK_KEY, from_balancer())
        ending = await link.run(lambda _: None)
    assert (ending.code, ending.by_peer) == (CloseCode.HANDSHAKE, True)
    assert "no hello" in ending.reason
