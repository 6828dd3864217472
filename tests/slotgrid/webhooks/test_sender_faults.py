"""Receivers that misbehave: an attempt comes to an end, in words, and holds nothing afterwards."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from slotgrid.webhooks.sender import Outcome, WebhookSender, webhook_sender
from tests.harness.peers.receivers import (
    LOOPBACK,
    SECRET,
    FakeResolver,
    RawReceiver,
    raw_receiver,
)

SOON_S = 0.3
OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def hasty_sender(timeout_s: float = SOON_S) -> AsyncIterator[WebhookSender]:
    async with webhook_sender(policy=LOOPBACK, secret=SECRET, timeout_s=timeout_s) as sender:
        yield sender


@asynccontextmanager
async def saying(*parts: bytes, then_close: bool = False) -> AsyncIterator[RawReceiver]:
    """A receiver that writes these bytes whatever it is asked."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.writelines(parts)
        await writer.drain()
        if then_close:
            writer.write_eof()

    async with raw_receiver(script) as there:
        yield there


async def test_no_answer_in_time_is_tried_again_and_the_connection_is_dropped() -> None:
    async with saying() as there, hasty_sender() as sender:
        attempt = await sender.send(there.delivery())
        await there.closed.wait()
    assert (attempt.outcome, attempt.status) == (Outcome.RETRY, None)
    assert attempt.error == "no answer within 0.3 s"
    assert attempt.duration_ms >= SOON_S * 1000 - 20


async def test_half_a_head_is_no_answer() -> None:
    async with saying(OK, b"Content-Le") as there, hasty_sender() as sender:
        attempt = await sender.send(there.delivery())
        await there.closed.wait()
    assert (attempt.outcome, attempt.error) == (Outcome.RETRY, "no answer within 0.3 s")


@pytest.mark.parametrize("parts", [[], [OK, b"Content-Length: 5"]])
async def test_a_connection_closed_before_the_answer_is_whole_is_tried_again(
    parts: list[bytes],
) -> None:
    async with saying(*parts, then_close=True) as there, hasty_sender(5) as sender:
        attempt = await sender.send(there.delivery())
    assert attempt.outcome is Outcome.RETRY
    assert attempt.error == "the receiver closed the connection without an answer"


async def test_a_body_broken_off_after_the_status_changes_nothing() -> None:
    half = b"Content-Length: 1000\r\n\r\nhalf"
    async with saying(OK, half, then_close=True) as there, hasty_sender(5) as sender:
        attempt = await sender.send(there.delivery())
    assert (attempt.outcome, attempt.status, attempt.error) == (Outcome.DELIVERED, 200, None)


async def test_a_slow_body_is_heard_until_the_time_is_up_and_changes_nothing() -> None:
    slow = b"Content-Length: 1000\r\n\r\nslow"
    async with saying(OK, slow) as there, hasty_sender() as sender:
        attempt = await sender.send(there.delivery())
        await there.closed.wait()
    assert (attempt.outcome, attempt.status) == (Outcome.DELIVERED, 200)


async def test_a_receiver_is_not_cut_off_in_the_middle_of_its_answer() -> None:
    half, go_on = asyncio.Event(), asyncio.Event()

    async def in_halves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 8\r\n\r\nhalf")
        half.set()
        await go_on.wait()
        writer.write(b"half")

    async with raw_receiver(in_halves) as there, hasty_sender(60) as sender:
        attempt = asyncio.create_task(sender.send(there.delivery()))
        await half.wait()
        done, _ = await asyncio.wait({attempt}, timeout=0.2)
        assert not done
        assert not there.closed.is_set()
        go_on.set()
        assert (await attempt).outcome is Outcome.DELIVERED


async def test_of_a_body_without_end_no_more_than_the_bound_is_read() -> None:
    written = 0

    async def without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        # Small buffers: what the sender does not read shows soon.
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()
            written += 4096

    async with raw_receiver(without_end) as there, hasty_sender(60) as sender:
        attempt = await sender.send(there.delivery())
        await there.closed.wait()
    assert (attempt.outcome, attempt.status) == (Outcome.DELIVERED, 200)
    # Beside the 64 KiB only what the buffers of both ends take.
    assert 64 * 1024 <= written < 16 * 1024 * 1024


async def test_a_body_that_cannot_be_unpacked_changes_nothing() -> None:
    broken = b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"
    async with saying(OK, broken) as there, hasty_sender(5) as sender:
        assert (await sender.send(there.delivery())).outcome is Outcome.DELIVERED


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.2p1\r\n", OK + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n"]
)
async def test_what_is_not_http_is_tried_again_and_the_url_is_not_shown(answer: bytes) -> None:
    async with saying(answer) as there, hasty_sender(5) as sender:
        attempt = await sender.send(there.delivery(url=f"{there.url}?token=hunter2"))
    assert (attempt.outcome, attempt.status) == (Outcome.RETRY, None)
    assert attempt.error
    assert attempt.error.startswith("the answer is not valid HTTP: ")
    assert len(attempt.error) <= 300
    assert "hunter2" not in attempt.error


async def test_a_closed_port_is_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it, either
        there = RawReceiver(port=taken.getsockname()[1])
        async with hasty_sender(5) as sender:
            attempt = await sender.send(there.delivery())
    assert (attempt.outcome, attempt.status) == (Outcome.RETRY, None)
    assert "Connect call failed" in (attempt.error or "")


async def test_a_name_that_nobody_knows_is_tried_again() -> None:
    there = RawReceiver(host="no-such-host.invalid", port=80)
    async with hasty_sender(5) as sender:
        attempt = await sender.send(there.delivery())
    assert attempt.outcome is Outcome.RETRY
    assert attempt.error
    assert attempt.error.startswith("no-such-host.invalid cannot be resolved")


async def test_a_name_without_addresses_is_tried_again() -> None:
    there, resolver = (
        RawReceiver(host="empty.example", port=80),
        FakeResolver({"empty.example": [[]]}),
    )
    async with webhook_sender(policy=LOOPBACK, secret=SECRET, resolver=resolver) as sender:
        attempt = await sender.send(there.delivery())
    assert attempt.outcome is Outcome.RETRY
    assert attempt.error == "empty.example cannot be resolved: empty.example has no address"


class SilentResolver(FakeResolver):
    """Never answers."""

    async def resolve(self, *args: object, **kwargs: object) -> list[object]:  # type: ignore[override]
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_resolver_that_never_answers_is_not_waited_for() -> None:
    there = RawReceiver(host="silent.example", port=80)
    async with webhook_sender(
        policy=LOOPBACK, secret=SECRET, timeout_s=SOON_S, resolver=SilentResolver({})
    ) as sender:
        attempt = await sender.send(there.delivery())
    assert (attempt.outcome, attempt.error) == (Outcome.RETRY, "no connection within 0.1 s")


async def test_a_cancelled_attempt_drops_its_connection_and_its_place() -> None:
    async with (
        saying() as there,
        webhook_sender(policy=LOOPBACK, secret=SECRET, timeout_s=60, at_once=1) as sender,
    ):
        attempt = asyncio.create_task(sender.send(there.delivery()))
        await there.asked.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await there.closed.wait()
        async with saying(OK, b"Content-Length: 0\r\n\r\n") as another:
            assert (await sender.send(another.delivery())).outcome is Outcome.DELIVERED
