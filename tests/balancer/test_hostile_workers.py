"""Workers that lie, flood or keep silent: every caller is answered, and the others go on."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiohttp import ClientSession

from balancer.fleet.message_limits import (
    CHANGES_LIMIT,
    REPORTS_LIMIT,
    SLOTS_LIMIT,
    STRAYS_LIMIT,
)
from balancer.fleet.worker_states import WorkerState
from slotgrid.wire import link_sockets
from slotgrid.wire import messages as m
from slotgrid.wire.encoding import from_balancer
from slotgrid.wire.limits import (
    CREDITS,
    ENTRIES_LIMIT,
    FUNCTIONS_LIMIT,
    PARTS_LIMIT,
    SELF_LIMIT,
    SIGNS_LIMIT,
)
from slotgrid.wire.link_ending import CloseCode
from slotgrid.wire.message_parts import ArtifactInfo
from tests.harness.calls import GIVE_UP_S
from tests.harness.environment import LINK_KEY
from tests.harness.in_process.balancer import Load, RunningBalancer
from tests.harness.peers.fake_worker import ECHO, FakeWorker, fake_worker
from tests.harness.waiting import until


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


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "..", "", ".hidden"])
async def test_a_file_with_a_name_that_leads_elsewhere_is_not_taken(
    balancer: RunningBalancer, name: str
) -> None:
    async with fake_worker(balancer) as liar:
        caller = balancer.start("echo")
        await until(lambda: any(isinstance(heard, m.TaskMessage) for heard in liar.heard))
        (task,) = (heard for heard in liar.heard if isinstance(heard, m.TaskMessage))
        liar.start(task)
        file = ArtifactInfo(name=name, size=1, content_type="text/plain")
        free = {"default": liar.slots}
        liar.link.send(
            m.Done(
                id=task.id,
                result=msgspec.Raw(b"1"),
                artifacts=(file,),
                free=free,
                seq=liar.seq(),
            )
        )
        assert liar.ended is not None
        ending = await liar.ended
        assert (ending.code, ending.by_peer) == (CloseCode.PROTOCOL, True)
        assert "plain file name" in ending.reason
        assert (await caller).status == 502


async def test_of_reports_that_come_too_often_few_are_acted_upon_and_the_newest_counts(
    balancer: RunningBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fake_worker(balancer) as flooding:
        known = balancer.balancer.fleet.roster.worker("fake")
        session = balancer.balancer.links.session("fake")
        assert known is not None
        assert session is not None
        believed: list[m.Report] = []
        believe = session._apply_report
        monkeypatch.setattr(session, "_apply_report", believed.append)
        for number in range(REPORTS_LIMIT // 2):
            flooding.link.send(flooding.report(number % 4))
        flooding.link.send(flooding.report(3))
        newest = flooding._seq
        await until(lambda: bool(believed) and believed[-1].seq == newest)
        assert len(believed) < 50
        believe(believed[-1])
        assert known.free == {"default": 3}
        assert flooding.link.ending is None


async def test_a_worker_that_floods_reports_loses_its_link_and_starves_nobody(
    balancer: RunningBalancer,
) -> None:
    await balancer.worker("worker-1")
    async with fake_worker(balancer, group="other") as flooding, Load(balancer, callers=2) as load:
        for _ in range(20):
            for _ in range(500):
                flooding.link.send(flooding.report())
            await asyncio.sleep(0.05)
        answered = load.answers
        assert flooding.ended is not None
        ending = await flooding.ended
    assert (ending.code, ending.by_peer) == (CloseCode.PROTOCOL, True)
    assert "reports in a second" in ending.reason
    assert load.problems == {}
    assert answered > 10  # while it flooded


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
        assert "a function is not valid" in (await worker.ended).reason


async def test_a_worker_that_says_no_hello_is_let_go(balancer: RunningBalancer) -> None:
    async with ClientSession() as session:
        link = await link_sockets.dial(session, balancer.url, LINK_KEY, from_balancer())
        ending = await link.run(lambda _: None)
    assert (ending.code, ending.by_peer) == (CloseCode.HANDSHAKE, True)
    assert "no hello" in ending.reason


TOO_MANY = {f"tag-{number}": number for number in range(ENTRIES_LIMIT + 1)}


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        ({"functions": (ECHO,) * (FUNCTIONS_LIMIT + 1)}, "functions, of 2000 at most"),
        ({"tags": TOO_MANY}, "201 tags, of 200 at most"),
        ({"tags": {"tag": "x" * 70_000}}, "its tags take more than 65536 bytes"),
        ({"labels": dict.fromkeys(TOO_MANY, "x")}, "201 labels, of 200 at most"),
        ({"versions": dict.fromkeys(TOO_MANY, "x")}, "201 versions, of 200 at most"),
        ({"pools": dict.fromkeys(TOO_MANY, 1)}, "201 pools, of 200 at most"),
        ({"pools": {"default": SLOTS_LIMIT + 1}}, "not of 0 to 10000 slots"),
        ({"pools": {"default": -1}}, "not of 0 to 10000 slots"),
        ({"boot": "b" * 101}, "its boot has more than 100 characters"),
    ],
)
async def test_a_worker_that_says_too_much_of_itself_is_refused_with_the_reason(
    balancer: RunningBalancer, hello: dict[str, Any], reason: str
) -> None:
    async with fake_worker(balancer, welcome=False, **hello) as worker:
        assert worker.ended is not None
        ending = await worker.ended
    assert (ending.code, ending.by_peer) == (CloseCode.REJECTED, True)
    assert reason in ending.reason
    (told,) = balancer.events_logged("worker.rejected")
    assert reason in told["reason"]


Message = m.FromWorker


def event(worker: FakeWorker, task: str, number: int) -> Message:
    raw = msgspec.Raw(b"1")
    return m.EventMessage(id=task, number=number, kind="progress", at=1.0, payload=raw)


def line(worker: FakeWorker, task: str, number: int) -> Message:
    return m.LogMessage(id=task, number=number, at=1.0, step="s", stream="stdout", line="l")


def done(worker: FakeWorker, task: str, number: int) -> Message:
    free = {"default": worker.slots}
    return m.Done(id=task, result=msgspec.Raw(b"1"), free=free, seq=worker.seq())


def failed(worker: FakeWorker, task: str, number: int) -> Message:
    free = {"default": worker.slots}
    return m.Failed(id=task, problem={}, free=free, seq=worker.seq())


def started(worker: FakeWorker, task: str, number: int) -> Message:
    return m.Started(id=task, slot=0, free={"default": worker.slots}, seq=worker.seq())


def refused(worker: FakeWorker, task: str, number: int) -> Message:
    return m.Refused(id=task, kind="busy", reason="no")


def reply(worker: FakeWorker, ask: str, number: int) -> Message:
    return m.Reply(ask=ask, status=200, body=msgspec.Raw(b"1"))


def hello(worker: FakeWorker, task: str, number: int) -> Message:
    return worker.hello()


def draining(worker: FakeWorker, task: str, number: int) -> Message:
    return m.Draining()


def functions(worker: FakeWorker, task: str, number: int) -> Message:
    return m.Functions(functions=(msgspec.structs.replace(ECHO, revision=str(number)),))


def tags(worker: FakeWorker, task: str, number: int) -> Message:
    return m.Tags(tags={"number": number})


def heartbeat(worker: FakeWorker, task: str, number: int) -> Message:
    return m.Heartbeat()


def credit(worker: FakeWorker, task: str, number: int) -> Message:
    return m.Credit(id=task, count=1)


@pytest.mark.parametrize(
    ("say", "limit", "reason"),
    [
        *((say, STRAYS_LIMIT, "messages about unknown tasks")
          for say in (event, line, done, failed, started, refused, reply, hello, draining)),
        *((say, CHANGES_LIMIT, "changes of functions or tags") for say in (functions, tags)),
        *((say, SIGNS_LIMIT, "heartbeats and credits") for say in (heartbeat, credit)),
    ],
)  # fmt: skip
async def test_a_worker_that_floods_messages_of_any_type_loses_its_link(
    balancer: RunningBalancer,
    monkeypatch: pytest.MonkeyPatch,
    say: Callable[[FakeWorker, str, int], Message],
    limit: int,
    reason: str,
) -> None:
    # A flood of the real size takes longer than its second where the machine has other work.
    few = min(limit, 300)
    monkeypatch.setattr("balancer.fleet.worker_session.STRAYS_LIMIT", few)
    monkeypatch.setattr("slotgrid.wire.link.SIGNS_LIMIT", few)
    async with fake_worker(balancer) as flooding:
        number = 0
        assert flooding.ended is not None
        async with asyncio.timeout(30):
            while not flooding.ended.done():
                for _ in range(500):
                    number += 1
                    flooding.link.send(say(flooding, "nobodys", number))
                await asyncio.sleep(0.01)
        ending = await flooding.ended
    assert (ending.code, ending.by_peer) == (CloseCode.PROTOCOL, True)
    assert f"more than {few} {reason} in" in ending.reason

    def told() -> list[dict[str, Any]]:
        return balancer.events_logged("worker.lost") + balancer.events_logged("worker.left")

    await until(lambda: bool(told()), GIVE_UP_S)  # what had come before is read first
    assert [line["reason"] for line in told()] == [ending.reason]


async def test_a_worker_that_says_more_of_a_task_than_it_has_credits_for_loses_its_link(
    balancer: RunningBalancer,
) -> None:
    async with fake_worker(balancer) as flooding:
        flooding.on_task = flooding.start
        body = {"function": "echo", "mode": "stream"}
        async with balancer.caller.post("/task", json=body) as stream:
            await balancer.until_running(1)
            (task,) = (heard for heard in flooding.heard if isinstance(heard, m.TaskMessage))
            # Its caller reads nothing of it, so that no credit comes back once there is much.
            text = "x" * 30_000
            for number in range(1, 400):
                raw = msgspec.Raw(b'"%s"' % text.encode())
                said = m.EventMessage(id=task.id, number=number, kind="chunk", at=1.0, payload=raw)
                flooding.link.send(said)
            assert flooding.ended is not None
            ending = await flooding.ended
            stream.close()
    assert (ending.code, ending.by_peer) == (CloseCode.PROTOCOL, True)
    assert "exceed its credits" in ending.reason


async def test_a_file_that_comes_without_credits_ends_the_link(balancer: RunningBalancer) -> None:
    async with fake_worker(balancer) as flooding:
        session = balancer.balancer.links.session("fake")
        assert session is not None
        with session.ask("artifact", task=str(uuid4()), name="n") as question:
            raw = msgspec.Raw(b"null")
            flooding.link.send(m.Reply(ask=question.id, status=200, body=raw, last=False))
            for _ in range(CREDITS + 2):
                flooding.link.send_data(question.id, b"x", last=False)
            assert flooding.ended is not None
            ending = await flooding.ended
    assert ending.code == CloseCode.PROTOCOL
    assert ending.reason == "the answer exceeds its credits"


async def test_a_task_of_too_many_parts_ends_the_link_and_is_lost(
    balancer: RunningBalancer,
) -> None:
    async with fake_worker(balancer) as worker:
        worker.on_task = worker.start
        caller = balancer.start("echo")
        await balancer.until_running(1)
        (task,) = (heard for heard in worker.heard if isinstance(heard, m.TaskMessage))
        files = (ArtifactInfo(name="f", size=1, content_type="t"),) * (PARTS_LIMIT + 1)
        end = done(worker, task.id, 1)
        assert isinstance(end, m.Done)
        worker.link.send(msgspec.structs.replace(end, artifacts=files), task.id)
        answer = await caller
        assert (answer.status, answer.json["type"]) == (502, "/problems/worker-lost")
        assert "more than 10000 files and steps" in answer.json["error"]


async def test_what_is_about_no_task_is_bounded_more_narrowly(balancer: RunningBalancer) -> None:
    large = msgspec.structs.replace(ECHO, description="x" * SELF_LIMIT)
    async with fake_worker(balancer) as worker:
        worker.link.send(m.Functions(functions=(large,)))
        assert worker.ended is not None
        ending = await worker.ended
        assert ending.code == CloseCode.PROTOCOL
        assert "about no task and no request" in ending.reason
    async with fake_worker(balancer, "other") as worker:
        worker.link.send(m.Functions(functions=(large,)), "as if of a task")
        assert worker.ended is not None
        assert "lack the id of their task or request" in (await worker.ended).reason
