"""A link between two ends: nothing waits for a slow peer, and every end has a reason."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import psutil
import pytest
from aiohttp import web

from slotgrid.wire import messages as m
from slotgrid.wire.encoding import from_balancer
from slotgrid.wire.limits import FRAME_LIMIT, LARGE_LANES, LINES_AT_ONCE, SILENT_TICKS, TICK_S
from slotgrid.wire.link import Link, MessageTooLarge
from slotgrid.wire.link_ending import CloseCode, close_payload
from slotgrid.wire.link_sockets import accept
from tests.harness.in_process.links import End, two_ends
from tests.harness.waiting import until

LOST_S = SILENT_TICKS * TICK_S
MIB = 1024 * 1024


def done(task: str, result: bytes) -> m.Done:
    return m.Done(id=task, result=msgspec.Raw(result), free={"default": 1}, seq=1)


def answer_each_cancel(far: End) -> None:
    """The far end says `refused` for each `cancel`: a round trip."""

    def answer(message: object) -> None:
        if isinstance(message, m.Cancel):
            far.link.send(m.Refused(id=message.id, kind="busy", reason=""), message.id)

    far.on_message = answer


async def round_trip(near: End, name: str) -> None:
    near.link.send(m.Cancel(id=name, reason=""))
    await near.hears(m.Refused, lambda message: message.id == name)


async def test_messages_go_both_ways_in_order() -> None:
    async with two_ends() as (near, far):
        for number in range(2000):
            near.link.send(m.Cancel(id=str(number), reason="x" * number))
            far.link.send(m.Refused(id=str(number), kind="busy", reason="y" * number))
        await far.hears(m.Cancel, lambda message: message.id == "1999")
        await near.hears(m.Refused, lambda message: message.id == "1999")
        assert [message.id for message in far.heard] == [*map(str, range(2000))]
        assert [message.id for message in near.heard] == [*map(str, range(2000))]


async def test_everything_else_has_its_turns_while_a_long_frame_is_acted_on() -> None:
    turns, seen_at = 0, []

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with two_ends() as (near, far):
        far.on_message = lambda _: seen_at.append(turns)
        taking = asyncio.create_task(take_turns())
        for number in range(100):  # at once, so they go in one frame
            near.link.send(m.Cancel(id=str(number), reason=""))
        await far.hears(m.Cancel, lambda message: message.id == "99")
        taking.cancel()
    assert seen_at[-1] - seen_at[0] >= 100 // LINES_AT_ONCE - 1


async def test_a_message_of_50_mb_arrives_whole_while_small_ones_pass() -> None:
    async with two_ends() as (near, far):
        answer_each_cancel(far)
        result = b'"' + b"x" * (50 * MIB) + b'"'
        far.link.send(done("large", result), "large")
        trips = 0
        while not any(isinstance(message, m.Done) for message in near.heard):
            await round_trip(near, f"during {trips}")
            trips += 1
        arrived = await near.hears(m.Done)
        assert bytes(arrived.result) == result
        assert trips > 20  # without turns, the first waits for the whole 50 MB
        assert far.link._outbox.backlog == 0


async def test_a_message_above_the_limit_is_not_sent_and_the_sender_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slotgrid.wire.link.MESSAGE_LIMIT", 1000)
    async with two_ends() as (near, far):
        with pytest.raises(MessageTooLarge):
            far.link.send(done("t", b'"' + b"x" * 1000 + b'"'))
        far.link.send(m.Draining())
        await near.hears(m.Draining)


async def test_a_frame_above_the_limit_is_refused() -> None:
    async with two_ends() as (near, far):
        await near.link._socket.send_frame(b"x" * (FRAME_LIMIT + 2), 1)  # type: ignore[arg-type]
        assert (await far.ending()).code == CloseCode.TOO_BIG
        assert (await near.ending()).code == CloseCode.TOO_BIG


async def test_garbage_closes_the_link_with_a_reason_for_both() -> None:
    async with two_ends() as (near, far):
        near.link._outbox.put(b"garbage")
        near.link.send(m.Cancel(id="t", reason=""))
        ours, theirs = await near.ending(), await far.ending()
        assert (theirs.code, theirs.by_peer) == (CloseCode.PROTOCOL, False)
        assert (ours.code, ours.by_peer) == (CloseCode.PROTOCOL, True)
        assert ours.reason.startswith("no message: ")


async def test_what_was_sent_before_the_end_still_arrives() -> None:
    async with two_ends() as (near, far):
        far.link.send(done("t", b'"' + b"x" * MIB + b'"'), "t")
        far.link.send(m.Draining())
        far.link.close(CloseCode.GOING_AWAY, "the worker exits")
        far.link.send(m.Draining())
        ending = await near.ending()
        assert (ending.code, ending.reason) == (CloseCode.GOING_AWAY, "the worker exits")
        assert len(near.heard) == 2
        assert (await far.ending()).by_peer is False


async def test_a_defect_in_what_is_done_with_a_message_ends_the_link_and_is_said() -> None:
    async with two_ends() as (near, far):

        def fail(message: object) -> None:
            raise ZeroDivisionError

        far.on_message = fail
        near.link.send(m.Cancel(id="t", reason=""))
        assert (await near.ending()).code == CloseCode.DEFECT
        assert (await far.ending()).code == CloseCode.DEFECT


async def test_a_cut_connection_is_noticed_at_once() -> None:
    async with two_ends() as (near, far):
        near.link._cut()
        assert (await near.ending()).code == CloseCode.CUT
        assert (await far.ending()).code == CloseCode.CUT


async def test_an_idle_link_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slotgrid.wire.link.TICK_S", 0.02)
    async with two_ends() as (near, far):
        await asyncio.sleep(0.6)
        assert near.link.ending is far.link.ending is None
        last = near.link.heard_at
        await until(lambda: near.link.heard_at > last)
        assert near.heard == far.heard == []  # heartbeats are the link's own matter


async def test_a_loop_that_stood_still_does_not_take_its_peers_for_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slotgrid.wire.link.TICK_S", 0.05)
    async with two_ends() as (near, far):
        for _ in range(3):
            time.sleep(0.6)  # noqa: ASYNC251  that is the point
            await asyncio.sleep(0.2)
        assert near.link.ending is far.link.ending is None


PEER = """
import asyncio, sys
from aiohttp import ClientSession
from slotgrid.wire.encoding import from_worker
from slotgrid.wire.link_sockets import dial

async def main():
    async with ClientSession() as session:
        link = await dial(session, sys.argv[1], "key", from_worker())
        await link.run(lambda message: None)

asyncio.run(main())
"""


@asynccontextmanager
async def peer_process() -> AsyncIterator[tuple[End, psutil.Process]]:
    """A link to a peer in a process of its own."""
    accepted: asyncio.Future[End] = asyncio.get_running_loop().create_future()

    async def handle(request: web.Request) -> web.StreamResponse:
        socket, link = await accept(request, from_balancer())
        end = End(link)
        accepted.set_result(end)
        await asyncio.wait({end.running})
        return socket

    app = web.Application()
    app.router.add_get("/link", handle)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PEER, url)
    try:
        yield await asyncio.wait_for(accepted, 20), psutil.Process(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):  # killed, and not yet noticed by asyncio
            process.kill()
        await process.wait()
        await runner.cleanup()


async def test_a_peer_that_is_stopped_is_noticed_within_three_heartbeats() -> None:
    async with peer_process() as (end, peer):
        await asyncio.sleep(0.2)
        peer.suspend()
        before = time.monotonic()
        ending = await end.ending()
        assert (ending.code, ending.by_peer) == (CloseCode.SILENT, True)
        # The peer may have been heard a tick before; the upper bound suits a busy machine.
        assert LOST_S - TICK_S - 0.1 < time.monotonic() - before < 5 * LOST_S


async def test_writing_to_a_stopped_peer_blocks_nobody_and_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slotgrid.wire.link.BACKLOG_LIMIT", 20 * MIB)
    async with peer_process() as (end, peer):
        peer.suspend()
        message = m.Refused(id="t", kind="busy", reason="x" * 50_000)
        while end.link.ending is None:
            for _ in range(20):
                end.link.send(message)
            assert end.link._outbox.backlog < 22 * MIB
            await asyncio.sleep(0)
        assert (await end.ending()).code == CloseCode.BACKLOG


async def test_large_messages_wait_for_room_and_small_ones_always_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slotgrid.wire.link.SEND_AHEAD", 2 * MIB)
    async with two_ends() as (near, far):
        sent = 0

        def send_next() -> None:
            nonlocal sent
            while sent < 12 and far.link.has_room(MIB):
                sent += 1
                far.link.send(done(str(sent), b'"' + b"x" * MIB + b'"'), str(sent))
            if sent < 12:
                far.link.when_room("lane", send_next)

        send_next()
        assert sent == 2
        assert far.link.has_room(FRAME_LIMIT)
        await near.hears(m.Done, lambda message: message.id == "12")
        assert far.link.ending is None
        assert far.link.has_room(100 * MIB)  # however large, when nothing else waits


async def test_only_so_many_large_messages_are_under_way_at_once() -> None:
    async with two_ends() as (near, far):
        for number in range(LARGE_LANES):
            assert far.link.has_room(FRAME_LIMIT + 1)
            far.link.send(done(str(number), b'"' + b"x" * FRAME_LIMIT + b'"'), str(number))
        assert not far.link.has_room(FRAME_LIMIT + 1)
        called: list[str] = []
        far.link.when_room("stays", lambda: called.append("stays"))
        far.link.when_room("leaves", lambda: called.append("leaves"))
        far.link.forget("leaves")
        await near.hears(m.Done, lambda message: message.id == str(LARGE_LANES - 1))
        assert called == ["stays"]


async def test_a_peer_that_is_killed_is_noticed_at_once() -> None:
    async with peer_process() as (end, peer):
        peer.kill()
        assert (await end.ending()).code == CloseCode.CUT  # not SILENT, three heartbeats later


async def test_a_goodbye_to_a_peer_that_does_not_read_is_bounded() -> None:
    async with peer_process() as (end, peer):
        peer.suspend()
        for _ in range(200):
            end.link.send(m.Refused(id="t", kind="busy", reason="x" * 50_000))
        await asyncio.sleep(0.1)
        before = time.monotonic()
        end.link.close(CloseCode.NORMAL, "bye")
        assert (await end.ending()).code == CloseCode.NORMAL
        assert time.monotonic() - before < LOST_S


def test_a_reason_is_cut_between_characters() -> None:
    assert close_payload(1000, "short") == b"\x03\xe8short"
    assert close_payload(4000, "é" * 100)[2:].decode() == "é" * 61


async def test_a_link_that_is_closed_before_it_runs_ends_at_once() -> None:
    async with two_ends() as (near, far):
        near.link.close(CloseCode.DUPLICATE, "one is enough")
        assert (await far.ending()).code == CloseCode.DUPLICATE
        assert isinstance(near.link, Link)
