"""The life of a worker's links: who may open one, what is said on it, and how it ends."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from slotgrid.core.node_state import NodeState
from slotgrid.core.task_states import TaskState
from slotgrid.net.dialling import DialFailed, keep_dialling
from slotgrid.wire import link_sockets
from slotgrid.wire import messages as m
from slotgrid.wire.encoding import from_balancer, from_worker
from slotgrid.wire.limits import FRAME_LIMIT
from slotgrid.wire.link import Link
from slotgrid.wire.link_ending import CloseCode
from slotgrid.wire.message_parts import Claim
from tests.harness.environment import KEY
from tests.harness.in_process.worker import RunningWorker, browserless_worker
from tests.harness.peers.fake_balancer import cut, dialled, linked, listening
from tests.harness.waiting import until
from tests.worker.uplink.test_tasks import FUNCTIONS

LINK_KEY = "another-key-for-links-9Wx"
STRANGER = "01a22c1a-c830-7683-a935-539553d37b16"


async def test_a_first_message_larger_than_a_frame_is_welcomed_too(tmp_path: Path) -> None:
    functions = {
        "long.py": f"""
            @function(input={{"description": "{"x" * FRAME_LIMIT * 5}"}})
            async def long(context: Context) -> int:
                return 1
        """
    }
    async with linked(tmp_path, functions, boot=None) as (_, balancer):
        await balancer.hello()  # its pieces were answered with credits
        balancer.welcome("b1")
        outcome = await balancer.outcome(balancer.offer("long"))
        assert (type(outcome), bytes(outcome.result)) == (m.Done, b"1")


async def test_the_first_message_says_all_that_a_balancer_must_know(tmp_path: Path) -> None:
    functions = {
        **FUNCTIONS,
        "broken.py": "raise RuntimeError('not today')",
        "tags.py": """
            @tag
            def flavour(node) -> str:
                return "vanilla"
        """,
    }
    env: Any = {"POOLS": "default=2,wide=3", "SLOTS": 5, "LABELS": "zone=eu", "GROUP": "shop"}
    async with linked(tmp_path, functions, CONTRACT=4, **env, boot=None) as (worker, balancer):
        hello = await balancer.hello()
        assert (hello.protocol, hello.name) == (m.PROTOCOL, "test-worker")
        assert (hello.group, hello.contract, hello.slots) == ("shop", 4, 5)
        assert hello.pools == {"default": 2, "wide": 3}
        assert hello.labels == {"zone": "eu"}
        assert hello.tags == {"flavour": "vanilla"}
        assert [function.name for function in hello.functions] == sorted(
            ["commands", *(name.removesuffix(".py") for name in FUNCTIONS)]
        )
        quick = next(one for one in hello.functions if one.name == "quick")
        spec = worker.worker.registry.find("quick")
        assert spec is not None
        assert quick.input == spec.input.document
        assert quick.revision == spec.revision
        assert [one.path for one in hello.broken] == ["broken.py"]
        assert hello.report.status == "ready"
        assert hello.report.free == {"default": 2, "wide": 3}
        assert hello.running == {}


async def test_the_links_key_is_asked_for_and_no_other(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS, BALANCER_KEY=LINK_KEY) as worker:
        async with aiohttp.ClientSession() as session:
            for key in ("", "wrong", KEY):
                with pytest.raises(DialFailed, match="401"):
                    await link_sockets.dial(session, worker.url, key, from_worker())
        async with dialled(worker.url, LINK_KEY, boot="b1") as balancer:
            assert isinstance(await balancer.outcome(balancer.offer("quick")), m.Done)


async def test_reports_come_with_each_change_and_each_second(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        first = await balancer.report(lambda _: True)
        second = await balancer.report(lambda report: report.seq > first.seq)
        assert second.status == "ready"
        assert second.system.memory_percent == 50.0
        assert (await worker.request("POST", "/off")).status == 200
        await balancer.report(lambda report: report.status == "maintenance")
        assert (await worker.request("POST", "/on")).status == 200
        await balancer.report(lambda report: report.status == "ready")
        worker.worker.slots.held = "too little memory"
        worker.worker.uplink.changed()
        held = await balancer.report(lambda report: report.held is not None)
        assert held.held == "too little memory"
        worker.worker.slots.held = None


async def test_a_first_change_is_told_at_once_and_the_next_ones_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        first = await balancer.report(lambda _: True)
        monkeypatch.setattr("worker.uplink.uplink.REPORT_EVERY_S", 3600)
        monkeypatch.setattr("worker.uplink.uplink.REPORT_WITHIN_S", 3600)
        last_by_itself = await balancer.report(lambda report: report.seq > first.seq)
        worker.worker.slots.held = "too little memory"
        worker.worker.uplink.changed()
        await balancer.report(lambda report: report.held == "too little memory")
        worker.worker.slots.held = None
        worker.worker.uplink.changed()
        assert isinstance(await balancer.outcome(balancer.offer("quick")), m.Done)
        told = [one.held for one in balancer.all(m.Report) if one.seq > last_by_itself.seq]
        assert told == ["too little memory"]


async def test_what_changes_between_hello_and_welcome_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.uplink.uplink.REPORT_EVERY_S", 3600)
    async with linked(tmp_path, FUNCTIONS, boot=None) as (worker, balancer):
        assert (await balancer.hello()).report.held is None
        worker.worker.slots.held = "too little memory"
        worker.worker.uplink.changed()
        await until(lambda: worker.worker.uplink._report_timer is None)
        assert balancer.all(m.Report) == []
        balancer.welcome("b1")
        report = await balancer.hears(m.Report)
        assert report.held == "too little memory"
        worker.worker.slots.held = None


async def test_functions_that_change_are_told(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS) as (worker, balancer):
        await balancer.report(lambda _: True)
        worker.folder.write("novel.py", FUNCTIONS["quick.py"].replace("quick", "novel"))
        await worker.reload()
        message = await balancer.hears(m.Functions)
        assert "novel" in [function.name for function in message.functions]


async def test_a_worker_waits_for_its_welcome_and_then_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.uplink.balancer_session.HANDSHAKE_S", 0.2)
    async with linked(tmp_path, FUNCTIONS, boot=None) as (_, balancer):
        ending = await balancer.ending()
        assert ending.code == CloseCode.HANDSHAKE
        assert balancer.all(m.Report) == []


async def test_a_task_before_the_welcome_is_a_fault(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, boot=None) as (_, balancer):
        await balancer.hello()
        balancer.offer("quick")
        ending = await balancer.ending()
        assert (ending.code, ending.by_peer) == (CloseCode.PROTOCOL, True)
        assert "welcome" in ending.reason


@pytest.mark.parametrize("protocol", ["2.0", "0.9"])
async def test_another_major_version_is_refused_with_the_reason(
    tmp_path: Path, protocol: str
) -> None:
    async with linked(tmp_path, FUNCTIONS, boot=None) as (_, balancer):
        await balancer.hello()
        balancer.welcome("b1", protocol=protocol)
        ending = await balancer.ending()
        assert ending.code == CloseCode.REJECTED
        assert ending.reason == f"this worker speaks protocol {m.PROTOCOL}, not {protocol}"


async def test_another_minor_version_is_understood(tmp_path: Path) -> None:
    async with linked(tmp_path, FUNCTIONS, boot=None) as (_, balancer):
        await balancer.hello()
        balancer.welcome("b1", protocol="1.7")
        # What a later version may add: messages and members that this one does not know.
        balancer.link._outbox.put(b'{"type":"novelty","of":"1.7"}')
        balancer.link._outbox.put(
            b'{"type":"task","id":"01a22c1a-c830-7683-a935-539553d37b16","function":"quick","contract":1,"owner":"x",'
            b'"source":{"kind":"api","novel":1},"timeout_s":30,"created_at":1,"novel":[1]}'
        )
        assert isinstance(await balancer.outcome(STRANGER), m.Done)


@pytest.mark.parametrize(
    "garbage",
    [b"no json", b"[]", b'{"no":"type"}', b'{"type":"cancel"}', b'{"type":"task","id":7}'],
)
async def test_garbage_ends_the_link_and_nothing_else(tmp_path: Path, garbage: bytes) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS) as worker:
        async with (
            dialled(worker.url, KEY, boot="b1") as bad,
            dialled(worker.url, KEY, boot="b2") as good,
        ):
            running = good.offer("sleeps", input={"seconds": 0.2})
            await good.hears(m.Started)
            bad.link._outbox.put(garbage)
            bad.link._wake_writer()
            ending = await bad.ending()
            assert (ending.code, ending.by_peer) == (CloseCode.PROTOCOL, True)
            assert isinstance(await good.outcome(running), m.Done)
        await worker.idle()


async def test_a_second_welcome_from_the_same_boot_takes_the_place_of_the_first(
    tmp_path: Path,
) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS) as worker:
        async with dialled(worker.url, KEY, boot="b1") as first:
            running = first.offer("sleeps", input={"seconds": 1})
            await first.hears(m.Started)
            async with dialled(worker.url, KEY) as second:
                hello = await second.hello()
                assert hello.running == {"b1": (running,)}
                second.welcome("b1", Claim(id=running))
                assert (await first.ending()).code == CloseCode.REPLACED
                assert isinstance(await second.outcome(running), m.Done)
        await worker.idle()


async def test_a_lost_link_cancels_its_tasks_after_the_grace_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.uplink.uplink.GRACE_S", 0.3)
    async with browserless_worker(tmp_path, FUNCTIONS, SLOTS=3) as worker:
        async with (
            dialled(worker.url, KEY, boot="b1") as lost,
            dialled(worker.url, KEY, boot="b2") as other,
        ):
            direct = await worker.start("sleeps", seconds=60)
            abandoned, kept = lost.offer("sleeps"), other.offer("sleeps", input={"seconds": 2})
            await lost.hears(m.Started)
            await other.hears(m.Started)
            cut(lost)
            task = worker.worker.history.get(abandoned)
            assert task is not None
            await until(lambda: task.state is TaskState.CANCELLED)
            assert task.cancel_reason == "the link to its balancer was lost"
            assert direct.task.state is TaskState.RUNNING
            assert isinstance(await other.outcome(kept), m.Done)
            await direct.hang_up()
        await worker.idle()


async def test_a_balancer_that_is_back_in_time_goes_on_where_it_was(tmp_path: Path) -> None:
    functions = {
        "counts.py": """
            import asyncio

            @function(timeout_s=30, streaming=True)
            async def counts(context: Context, times: int) -> int:
                for number in range(times):
                    await context.stream(str(number))
                    await asyncio.sleep(0.01)
                return times
        """
    }
    async with browserless_worker(tmp_path, functions) as worker:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(dialled(worker.url, KEY, boot="b1"))
            task_id = first.offer("counts", input={"times": 100}, mode="stream")
            await first.hears(m.EventMessage, lambda event: event.number == 20)
            cut(first)
            heard = first.all(m.EventMessage)
            # What was under way at the cut is lost, and said again from where the balancer is.
            claim = Claim(id=task_id, events=heard[-1].number)
            second = await stack.enter_async_context(dialled(worker.url, KEY))
            await second.hello()
            second.welcome("b1", claim)
            done = await second.outcome(task_id)
            assert isinstance(done, m.Done)
            numbers = [event.number for event in (*heard, *second.all(m.EventMessage))]
            assert numbers == [*range(1, 101)]
        await worker.idle()


async def test_what_ended_while_the_link_was_down_is_told_when_it_is_back(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS) as worker:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(dialled(worker.url, KEY, boot="b1"))
            meanwhile = first.offer("sleeps", input={"seconds": 0.3})
            await first.hears(m.Started)
            told = first.offer("fails")
            assert isinstance(await first.outcome(told), m.Failed)
            cut(first)
            task = worker.worker.history.get(meanwhile)
            assert task is not None
            await until(lambda: task.state is TaskState.COMPLETED)
            second = await stack.enter_async_context(dialled(worker.url, KEY))
            await second.hello()
            # One that it may not have heard of, one that it has, and one that nobody knows.
            second.welcome("b1", Claim(id=meanwhile), Claim(id=told), Claim(id=STRANGER))
            assert isinstance(await second.outcome(meanwhile), m.Done)
            again = await second.outcome(told)
            assert again.retryable
            stranger = await second.outcome(STRANGER)
            assert stranger.problem["type"] == "/problems/worker-lost"
        await worker.idle()


async def test_what_the_balancer_does_not_claim_is_cancelled(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS) as worker:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(dialled(worker.url, KEY, boot="b1"))
            forgotten = first.offer("sleeps")
            await first.hears(m.Started)
            cut(first)
            second = await stack.enter_async_context(dialled(worker.url, KEY, boot="b1"))
            await second.report(lambda report: report.free == {"default": 2})
            task = worker.worker.history.get(forgotten)
            assert task is not None
            assert task.cancel_reason == "its balancer abandoned it"
        await worker.idle()


async def test_a_worker_dials_its_balancers_and_comes_back_to_them(tmp_path: Path) -> None:
    async with listening() as one, listening() as other:
        urls = f"{one.url}, {other.url}/"
        async with browserless_worker(
            tmp_path, FUNCTIONS, BALANCER_URL=urls, BALANCER_KEY=LINK_KEY
        ) as worker:
            first, second = await one.link(1), await other.link(1)
            assert one.keys == [f"Bearer {LINK_KEY}"]
            for balancer in (first, second):
                assert isinstance(await balancer.outcome(balancer.offer("quick")), m.Done)
            running = first.offer("sleeps", input={"seconds": 2})
            await first.started(running)
            one.answer = lambda link: link.welcome(one.boot, Claim(id=running))
            cut(first)
            again = await one.link(2)
            assert isinstance(await again.outcome(running), m.Done)
            assert len(other.conversations) == 1
            await worker.idle()
        # The worker has ended: it said so, and does not come back.
        assert (await again.ending()).code == CloseCode.GOING_AWAY
        assert (await second.ending()).reason == "the worker exits"


async def test_a_worker_that_is_rejected_says_why_and_tries_again(tmp_path: Path) -> None:
    async with listening() as balancer:

        def reject(link: object) -> None:
            balancer.conversations[-1].link.send(m.Rejected(reason="one of that name is here"))

        balancer.answer = reject
        async with browserless_worker(tmp_path, FUNCTIONS, BALANCER_URL=balancer.url) as worker:
            rejected = await balancer.link(1)
            assert (await rejected.ending()).reason == "one of that name is here"
            balancer.answer = lambda link: link.welcome(balancer.boot)
            await balancer.link(2)
            [line, *_] = worker.events_logged("uplink.rejected")
            assert line["reason"] == "one of that name is here"


async def test_a_balancer_that_nobody_answers_for_does_not_disturb_a_worker(
    tmp_path: Path,
) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS, BALANCER_URL="http://127.0.0.1:1") as worker:
        assert await worker.call("quick", number=2) == {"number": 2, "attempt": 1}
        await until(lambda: bool(worker.events_logged("uplink.unreachable")))


async def test_a_drain_is_told_before_anything_else_and_ends_are_told_before_the_end(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        async with browserless_worker(tmp_path, FUNCTIONS) as worker:
            balancer = await stack.enter_async_context(dialled(worker.url, KEY, boot="b1"))
            running = balancer.offer("sleeps", input={"seconds": 0.5})
            await balancer.hears(m.EventMessage)
            before = len(balancer.heard)
            worker.worker.drain(None)
            await balancer.hears(m.Draining)
            news = [one for one in balancer.heard[before:] if not isinstance(one, m.Heartbeat)]
            assert isinstance(news[0], m.Draining)
            report = await balancer.hears(m.Report, lambda one: one.status == "draining")
            assert report.used == 1
            refused = await balancer.outcome(balancer.offer("quick"))
            assert (refused.kind, refused.id != running) == ("draining", True)
            assert isinstance(await balancer.outcome(running), m.Done)
            await worker.idle()
        ending = await balancer.ending()
        assert (ending.code, ending.by_peer) == (CloseCode.GOING_AWAY, True)
    assert worker.worker.status.state is NodeState.DRAINING


async def test_two_balancers_see_the_same_slots(tmp_path: Path) -> None:
    async with browserless_worker(tmp_path, FUNCTIONS, SLOTS=1) as worker:
        async with (
            dialled(worker.url, KEY, boot="b1") as one,
            dialled(worker.url, KEY, boot="b2") as other,
        ):
            await other.report(lambda _: True)
            running = one.offer("sleeps")
            await one.hears(m.Started)
            await other.report(lambda report: report.free == {"default": 0})
            assert (await other.outcome(other.offer("quick"))).kind == "busy"
            # The other one's task is not for this one to cancel.
            one.link.send(m.Cancel(id=running, reason="enough"))
            assert isinstance(await one.outcome(running), m.Failed)
            await other.report(lambda report: report.free == {"default": 1})
        await leave_nothing(worker)


async def leave_nothing(worker: RunningWorker) -> None:
    await worker.idle()
    assert worker.worker.uplink.tasks.running() == {}
    await asyncio.wait_for(worker.worker.uplink.tasks.wait_reported(), 5)


async def test_a_defect_on_one_link_does_not_end_the_dialling() -> None:
    async with listening() as balancer, aiohttp.ClientSession() as session:
        links: list[object] = []

        async def fails_once(link: Link[m.FromBalancer]) -> None:
            links.append(link)
            if len(links) == 1:
                raise RuntimeError("a defect")
            link.close(CloseCode.NORMAL, "well")
            await link.run(lambda _: None)

        async def dial() -> bool:
            await fails_once(await link_sockets.dial(session, balancer.url, KEY, from_balancer()))
            return True

        dialling = asyncio.create_task(keep_dialling(dial, kind="uplink"))
        await until(lambda: len(links) >= 2)
        assert not dialling.done()
        dialling.cancel()
        await asyncio.wait({dialling})
