"""Connections through the guard: bodies both ways, connections that are kept, tunnels, ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness.waiting import until
from tests.worker.guard.clients import (
    OK,
    Client,
    ServedConnection,
    client_of,
    echoes,
    keeps_alive,
    silent,
    target,
)
from tests.worker.guard.guards import guard_of
from worker.guard.context_guard import ContextGuard
from worker.guard.streams import BUFFER

LARGE = 64 * 1024 * 1024
HELD = 16 * 1024 * 1024
"""More than two kernels' and the guard's buffers hold, less than a body."""
PIECE = b"x" * 65536


@pytest.fixture
async def guard() -> AsyncIterator[ContextGuard]:
    """A context's guard with loopback open; nothing of it is left at the end."""
    context = await guard_of("127.0.0.0/8").open()
    yield context
    context.close()
    await until(lambda: context.connections == 0)
    await asyncio.sleep(0)
    left = [one.get_name() for one in asyncio.all_tasks() if one.get_name().startswith("guard")]
    assert left == []


def get(url: str, *headers: str, version: str = "1.1", method: str = "GET") -> bytes:
    lines = [f"{method} {url} HTTP/{version}", "Host: a", *headers, "", ""]
    return "\r\n".join(lines).encode()


async def test_requests_of_one_client_use_one_connection_to_the_target(guard: ContextGuard) -> None:
    async with target(keeps_alive) as site, client_of(guard) as client:
        for n in range(5):
            await client.send(get(f"{site.url}/{n}"))
            assert await client.answer() == (200, b"ok")
        assert len(site.connections) == 1
        assert guard.traffic.connections == 1


async def test_two_targets_of_one_client_get_their_own_requests(guard: ContextGuard) -> None:
    async with target(keeps_alive) as one, target(keeps_alive) as two, client_of(guard) as client:
        for n in range(3):
            for site in (one, two):
                await client.send(get(f"{site.url}/{n}"))
                assert await client.answer() == (200, b"ok")
        for site in (one, two):
            assert [head.split(b" ")[1] for head in site.heads] == [b"/0", b"/1", b"/2"]
            assert all(f"Host: {site.authority}".encode() in head for head in site.heads)
        await until(lambda: one.open_connections == 0)


async def test_contexts_share_no_connection(guard: ContextGuard) -> None:
    other = await guard_of("127.0.0.0/8").open()
    async with target(keeps_alive) as site, client_of(guard) as one, client_of(other) as two:
        for client in (one, two, one, two):
            await client.send(get(site.url))
            assert await client.answer() == (200, b"ok")
        assert len(site.connections) == 2
        other.close()
        await until(lambda: site.open_connections == 1)
        await one.send(get(site.url))
        assert await one.answer() == (200, b"ok")


async def test_a_server_that_closes_between_requests_is_dialled_again(guard: ContextGuard) -> None:
    async def once(connection: ServedConnection) -> None:
        await connection.head()
        await connection.send(OK)

    async with target(once) as site:
        for _ in range(3):
            async with client_of(guard) as client:
                await client.send(get(site.url))
                assert await client.answer() == (200, b"ok")
                assert await client.rest() == b""
        assert len(site.connections) == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_an_answer_arrives_byte_by_byte_as_it_was_sent(
    guard: ContextGuard, answer: bytes
) -> None:
    async def answers(connection: ServedConnection) -> None:
        while True:
            await connection.head()
            await connection.send(answer)

    async with target(answers) as site, client_of(guard) as client:
        for _ in range(2):
            await client.send(get(site.url))
            assert await client.exactly(len(answer)) == answer
        assert len(site.connections) == 1


async def test_an_answer_of_http_1_0_ends_with_its_connection(guard: ContextGuard) -> None:
    async def old(connection: ServedConnection) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.0 200 OK\r\n\r\nall of it")

    async with target(old) as site, client_of(guard) as client:
        await client.send(get(site.url))
        assert (await client.rest()).endswith(b"\r\n\r\nall of it")


async def test_a_head_request_has_no_body_from_target_and_guard(guard: ContextGuard) -> None:
    async def head(connection: ServedConnection) -> None:
        while True:
            await connection.head()
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")

    async with target(head) as site, client_of(guard) as client:
        for url, status in ((site.url, b"200"), ("http://10.0.0.1/", b"403"), (site.url, b"200")):
            await client.send(get(url, method="HEAD"))
            assert (await client.head()).split(b" ")[1] == status


async def test_a_body_waits_for_the_target_s_consent(guard: ContextGuard) -> None:
    async def consents(connection: ServedConnection) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await connection.reader.readexactly(4) == b"body"
        await connection.send(OK)

    async with target(consents) as site, client_of(guard) as client:
        await client.send(get(site.url, "Expect: 100-continue", "Content-Length: 4", method="POST"))
        assert b" 100 " in await client.head()
        await client.send(b"body")
        assert await client.answer() == (200, b"ok")


async def test_a_refused_request_with_a_body_leaves_the_connection_in_step(
    guard: ContextGuard,
) -> None:
    async with target(keeps_alive) as site, client_of(guard) as client:
        for framing, body in (
            ("Content-Length: 30", b"GET http://127.0.0.1/ HTTP/1.1"),
            ("Transfer-Encoding: chunked", b"2\r\nab\r\n0\r\n\r\n"),
        ):
            await client.send(get("http://10.0.0.1/", framing, method="POST") + body)
            assert (await client.answer())[0] == 403
            await client.send(get(site.url))
            assert await client.answer() == (200, b"ok")


async def test_a_refused_body_that_waits_for_consent_is_refused_at_once(
    guard: ContextGuard,
) -> None:
    async with client_of(guard) as client:
        await client.send(
            get("http://10.0.0.1/", "Expect: 100-continue", "Content-Length: 4", method="POST")
        )
        assert (await client.answer())[0] == 403


@pytest.mark.parametrize("framing", ["Content-Length: 6", "Transfer-Encoding: chunked"])
async def test_a_request_byte_by_byte_arrives_whole(guard: ContextGuard, framing: str) -> None:
    got: list[bytes] = []

    async def reads(connection: ServedConnection) -> None:
        await connection.head()
        end = b"abcdef" if "Length" in framing else b"0\r\n\r\n"
        got.append(await connection.reader.readuntil(end))
        await connection.send(OK)

    body = b"abcdef" if "Length" in framing else b"3;a=b\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    async with target(reads) as site, client_of(guard) as client:
        for byte in get(site.url, framing, method="POST") + body:
            await client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert await client.answer() == (200, b"ok")
    chunks = got[0].split(b"\r\n")
    whole = chunks[0] if "Length" in framing else b"".join(chunks[1::2])
    assert whole == b"abcdef"


@pytest.mark.parametrize("body", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
async def test_a_tunnel_passes_every_byte_and_both_ends(guard: ContextGuard, body: bytes) -> None:
    async with target(echoes) as site, client_of(guard) as client:
        await client.send(get(site.authority, method="CONNECT") + body)
        assert b" 200 " in await client.head()
        assert await client.exactly(len(body)) == body
        await client.send(b"\0\xff")
        assert await client.exactly(2) == b"\0\xff"
        client.writer.write_eof()
        assert await client.rest() == b""
        await until(lambda: site.open_connections == 0)
        await until(lambda: guard.connections == 0)


async def test_a_client_that_has_ended_its_half_of_a_tunnel_gets_the_rest(
    guard: ContextGuard,
) -> None:
    async def late(connection: ServedConnection) -> None:
        await connection.reader.read(-1)
        for _ in range(32):
            await connection.send(PIECE)

    async with target(late) as site, client_of(guard) as client:
        await client.send(get(site.authority, method="CONNECT"))
        await client.head()
        client.writer.write_eof()
        assert len(await client.rest()) == 32 * len(PIECE)


async def test_a_target_that_ends_its_half_of_a_tunnel_still_reads(guard: ContextGuard) -> None:
    read: list[bytes] = []

    async def ends_first(connection: ServedConnection) -> None:
        connection.writer.write_eof()
        read.append(await connection.reader.read(-1))

    async with target(ends_first) as site, client_of(guard) as client:
        await client.send(get(site.authority, method="CONNECT"))
        await client.head()
        assert await client.rest() == b""
        await client.send(b"still here")
        client.writer.write_eof()
        await until(lambda: read == [b"still here"])


async def test_a_web_socket_upgrade_becomes_a_tunnel(guard: ContextGuard) -> None:
    async def upgrades(connection: ServedConnection) -> None:
        head = await connection.head()
        assert b"Upgrade: websocket" in head
        assert b"Connection: Upgrade" in head
        await connection.send(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n")
        await echoes(connection)

    async with target(upgrades) as site, client_of(guard) as client:
        await client.send(get(site.url, "Connection: Upgrade", "Upgrade: websocket") + b"\x81\x00")
        assert b" 101 " in await client.head()
        assert await client.exactly(2) == b"\x81\x00"
        other = get("http://10.0.0.1/")
        await client.send(other)
        assert await client.exactly(len(other)) == other


async def test_a_slow_reader_holds_the_target_back(guard: ContextGuard) -> None:
    sent = 0

    async def sends(connection: ServedConnection) -> None:
        nonlocal sent
        await connection.head()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        while sent < LARGE:
            await connection.send(PIECE)
            sent += len(PIECE)

    async with target(sends) as site, client_of(guard) as client:
        await client.send(get(site.url))
        await client.head()
        await stalls(lambda: sent)
        assert sent < HELD
        await client.exactly(LARGE)
        assert guard.traffic.received_bytes >= LARGE


@pytest.mark.parametrize("framing", [f"Content-Length: {LARGE}", "Transfer-Encoding: chunked"])
async def test_a_slow_target_holds_the_client_back(guard: ContextGuard, framing: str) -> None:
    go = asyncio.Event()
    sent = 0

    async def reads_late(connection: ServedConnection) -> None:
        await connection.head()
        await go.wait()
        if "Length" in framing:
            await connection.reader.readexactly(LARGE)
        else:
            while await connection.reader.readline() != b"0\r\n":
                pass
        await connection.send(OK)

    async def sends(client: Client) -> None:
        nonlocal sent
        piece = (
            PIECE if "Length" in framing else b"%x\r\n%b\r\n" % (len(PIECE) - 1, PIECE[:-2] + b"\n")
        )
        while sent < LARGE:
            await client.send(piece)
            sent += len(PIECE)
        if "Length" not in framing:
            await client.send(b"0\r\n\r\n")

    async with target(reads_late) as site, client_of(guard) as client:
        await client.send(get(site.url, framing, method="POST"))
        sending = asyncio.create_task(sends(client))
        await stalls(lambda: sent)
        assert sent < HELD
        go.set()
        assert await client.answer() == (200, b"ok")
        await sending


async def stalls(value: Any) -> None:
    """Wait until a number has not changed for a while."""
    last, same = -1, 0
    while same < 10:
        await asyncio.sleep(0.05)
        same = same + 1 if value() == last and last > 0 else 0
        last = value()


async def test_an_early_answer_to_a_large_body_arrives(guard: ContextGuard) -> None:
    async def too_large(connection: ServedConnection) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await connection.reader.read(BUFFER)

    async with target(too_large) as site, client_of(guard) as client:
        await client.send(get(site.url, f"Content-Length: {LARGE}", method="POST"))
        answer = asyncio.create_task(client.answer())
        try:
            for _ in range(LARGE // len(PIECE)):
                await client.send(PIECE)
        except ConnectionError:
            pass
        assert await answer == (413, b"no")


async def test_a_fault_behind_an_answer_is_not_written_into_it(guard: ContextGuard) -> None:
    async def half(connection: ServedConnection) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        await connection.reader.read(-1)

    async with target(half) as site, client_of(guard) as client:
        await client.send(get(site.url))
        assert b" 200 " in await client.head()
        assert await client.exactly(4) == b"half"
        await client.send(b"not a request\r\n\r\n")
        assert await client.rest() == b""


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
async def test_a_client_that_goes_frees_its_target(guard: ContextGuard, method: str) -> None:
    async with target(silent) as site:
        async with client_of(guard) as client:
            await client.send(get(site.url if method == "GET" else site.authority, method=method))
            await until(lambda: site.open_connections == 1)
        await until(lambda: site.open_connections == 0)
        await until(lambda: guard.connections == 0)
