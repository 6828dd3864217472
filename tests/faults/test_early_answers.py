"""An answer before the end of the body reaches the client, and ends the connection."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiohttp import ClientSession
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.intake import server_connections
from tests.faults.test_strangers import sender, status_of
from tests.harness.environment import KEY
from tests.harness.in_process.node import RunningNode, running_node
from tests.harness.waiting import until

LARGE = 24 * 1024 * 1024
LARGE_FILE = "/docs/static/swagger-ui-bundle.js"
TASK = json.dumps({"function": "echo", "input": {"value": "x"}}).encode()


@pytest.fixture
async def node(aiohttp_client: AiohttpClient) -> AsyncIterator[RunningNode]:
    async with running_node(aiohttp_client) as running:
        yield running


async def works(node: RunningNode) -> None:
    assert (await node.submit("echo", {"value": "x"}))["result"] == "x"


async def pieces(total: int = LARGE) -> AsyncIterator[bytes]:
    for _ in range(total // 65536):
        yield bytes(65536)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
async def test_an_aiohttp_client_reads_the_refusal_while_it_sends(
    node: RunningNode, chunked: bool
) -> None:
    data = pieces() if chunked else bytes(LARGE)
    async with ClientSession(node.url) as session:
        async with session.post("/task", data=data) as response:
            assert response.status == 401
            assert response.headers["Connection"] == "close"
            assert (await response.json(content_type=None))["success"] is False
        async with session.get("/livez") as response:  # over another connection
            assert response.status == 200
    await works(node)


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--http1.0"],
        ["-H", "Transfer-Encoding: chunked"],
        ["-H", "Expect:"],
        ["-H", "Content-Encoding: gzip"],
    ],
)
async def test_curl_reads_the_refusal_while_it_sends(node: RunningNode, flags: list[str]) -> None:
    curl = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "-o", "-", "-w", "\n%{http_code}", *flags),
        *("--data-binary", "@-", f"{node.url}/task"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaint = await curl.communicate(bytes(LARGE))
    assert (curl.returncode, complaint) == (0, b"")
    assert told.endswith(b"\n401")
    assert b"a key is required" in told
    await works(node)


async def test_a_client_that_sends_everything_first_reads_the_refusal(node: RunningNode) -> None:
    def call() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(node.url.removeprefix("http://"), timeout=20)
        connection.putrequest("POST", "/task")
        connection.putheader("Content-Length", str(LARGE))
        connection.endheaders()
        with suppress(BrokenPipeError, ConnectionResetError):  # as urllib3: the answer is there
            connection.send(bytes(LARGE))
        response = connection.getresponse()
        return response.status, response.read()

    status, told = await asyncio.to_thread(call)
    assert status == 401
    assert b"a key is required" in told
    await works(node)


async def test_a_connection_stays_open_when_its_body_was_read(node: RunningNode) -> None:
    lines = ["POST /task HTTP/1.1", "Host: t", "Content-Type: application/json"]
    key = f"Authorization: {KEY}"
    async with sender(node, *lines, f"Content-Length: {len(TASK)}") as client:
        client.writer.write(TASK)  # small enough to arrive with its header
        assert (await client.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 401")
    async with sender(node, *lines, key, f"Content-Length: {len(TASK)}") as client:
        client.writer.write(TASK)
        for _ in range(3):
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert b"close" not in head
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            assert b'"result":"x"' in await client.reader.readexactly(length)
            again = "\r\n".join([*lines, key, f"Content-Length: {len(TASK)}", "", ""])
            client.writer.write(again.encode() + TASK)


async def test_continue_is_said_only_to_a_body_that_is_wanted(node: RunningNode) -> None:
    length = f"Content-Length: {len(TASK)}"
    lines = ["Host: t", "Content-Type: application/json", length, "Expect: 100-continue"]
    refused = [
        (["POST /task HTTP/1.1", *lines], 401),
        (["POST /nowhere HTTP/1.1", *lines], 404),
        (["DELETE /task HTTP/1.1", *lines], 405),
        (["POST /task HTTP/1.1", f"Authorization: {KEY}", "Content-Encoding: br", *lines], 415),
    ]
    for header, status in refused:
        async with sender(node, *header) as client:
            assert status_of(await client.answer(0)) == status
    async with sender(node, "POST /task HTTP/1.1", f"Authorization: {KEY}", *lines) as client:
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.writer.write(TASK)
        assert (await client.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
    header = ["POST /task HTTP/1.0", f"Authorization: {KEY}", *lines]
    async with sender(node, *header) as client:  # such a client never heard of 100
        client.writer.write(TASK)
        assert (await client.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.0 200")


async def test_a_body_above_the_limit_is_refused_before_it_is_read(node: RunningNode) -> None:
    lines = ["POST /task HTTP/1.1", "Host: t", f"Authorization: {KEY}"]
    async with sender(node, *lines, "Content-Length: 2000000", "Expect: 100-continue") as client:
        assert status_of(await client.answer(0)) == 413
    async with sender(node, *lines, "Transfer-Encoding: chunked") as client:
        client.writer.write(b"1e8480\r\n")
        assert status_of(await client.answer(2_000_000)) == 413
    await works(node)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"])
async def test_a_compressed_body_is_refused_with_the_reason(node: RunningNode, coding: str) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    problem = await node.problem("POST", "/task", data=TASK, headers=headers)
    assert problem["status"] == 415
    assert "uncompressed" in problem["error"]


async def test_an_identity_encoding_is_no_compression(node: RunningNode) -> None:
    headers = {"Content-Encoding": "identity", "Content-Type": "application/json"}
    async with node.caller.post("/task", data=TASK, headers=headers) as response:
        assert response.status == 200


BROKEN = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: t\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: t\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: t\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
    b"GET /livez HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: t\r\nContent-Encoding: gzip\r\nno colon\r\n\r\n",
]


@pytest.mark.parametrize("sent", BROKEN, ids=range(len(BROKEN)))
async def test_what_is_not_http_is_a_problem_and_no_traceback(
    node: RunningNode, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = node.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.transport.abort()
    assert status_of(answer) == 400
    assert b"application/problem+json" in answer
    assert b"the request cannot be read" in answer
    assert len(answer) < 4000
    assert [record for record in caplog.records if record.exc_info] == []
    await works(node)


async def test_a_broken_chunk_is_a_problem(node: RunningNode) -> None:
    lines = ["POST /task HTTP/1.1", "Host: t", f"Authorization: {KEY}"]
    async with sender(node, *lines, "Transfer-Encoding: chunked") as client:
        client.writer.write(b"zz\r\n")
        assert status_of(await client.answer(0)) == 400
    await works(node)


async def test_a_silent_connection_is_closed(
    aiohttp_client: AiohttpClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_connections, "FIRST_HEADER_S", 0.3)
    async with running_node(aiohttp_client) as node:
        host, port = node.url.removeprefix("http://").split(":")
        for sent in (b"", b"GET /livez HTTP/1.1\r\nHost:"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(sent)
            async with asyncio.timeout(20):
                with suppress(ConnectionResetError):
                    assert await reader.read() == b""
            writer.close()
        await works(node)


async def test_a_stranger_who_does_not_read_is_cut_off_and_a_caller_is_not(
    aiohttp_client: AiohttpClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_connections, "ANSWER_S", 0.3)
    closed: list[server_connections.Connection] = []
    lose = server_connections.Connection.connection_lost

    def connection_lost(
        connection: server_connections.Connection, exc: BaseException | None
    ) -> None:
        closed.append(connection)
        lose(connection, exc)

    monkeypatch.setattr(server_connections.Connection, "connection_lost", connection_lost)
    async with running_node(aiohttp_client) as node:
        # Many at once, more than the kernel takes before anybody reads.
        header = f"GET {LARGE_FILE} HTTP/1.1\r\nHost: t\r\n"
        many = f"{header}\r\n" * 19 + header
        async with sender(node, many + "Connection: close", receive_buffer=4096):
            await until(lambda: len(closed) == 1)
        many = many.replace("Host: t", f"Host: t\r\nAuthorization: {KEY}")
        async with sender(node, many + "Connection: close", receive_buffer=4096) as caller:
            await asyncio.sleep(0.6)
            assert len(closed) == 1
            async with asyncio.timeout(60):
                answers = await caller.reader.read()
            assert answers.count(b"HTTP/1.1 200") == 20
        await works(node)
