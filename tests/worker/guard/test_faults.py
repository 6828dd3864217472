"""Hostile pages and targets, and a guard whose parts end at any moment: nothing of them is left."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psutil
import pytest

from tests.harness.open_files import allow_open_files
from tests.harness.waiting import until
from tests.worker.guard.clients import client_of, echoes, keeps_alive, silent, target
from tests.worker.guard.guards import guard_of
from tests.worker.guard.names import Names
from worker.guard import connection, context_guard
from worker.guard.context_guard import ContextGuard
from worker.guard.guard import Guard
from worker.guard.rules import MAX_LOOKUPS

MANY = 5_000


class Owner:
    """Fulfils `ProxyOwner`."""

    task_id = "task"

    def allows(self, host: str, port: int) -> bool:
        return False

    def target_refused(self, sentence: str) -> None: ...

    def traffic_exceeded(self, limit: int) -> None: ...


def descriptors() -> int:
    return psutil.Process().num_fds()


def guard_tasks() -> list[str]:
    return [one.get_name() for one in asyncio.all_tasks() if one.get_name().startswith("guard")]


@asynccontextmanager
async def leaving_nothing(guard: Guard | None = None) -> AsyncIterator[ContextGuard]:
    """A context's guard; when it has closed, no task, descriptor or port of it is left."""
    # The loop opens descriptors of its own for its first connection and its first name.
    warm = await guard_of("127.0.0.0/8").open()
    await works(warm)
    warm.close()
    await until(lambda: guard_tasks() == [])
    await asyncio.sleep(0.05)
    before = descriptors()
    context = await (guard or guard_of("127.0.0.0/8")).open()
    port = int(context.server.rpartition(":")[2])
    yield context
    context.close()
    await until(lambda: guard_tasks() == [])
    assert context.connections == 0
    await until(lambda: descriptors() <= before)
    with socket.socket() as again:
        again.settimeout(1)
        assert again.connect_ex(("127.0.0.1", port)) != 0


async def works(context: ContextGuard) -> None:
    """A request through the guard is answered."""
    async with target(keeps_alive) as site, client_of(context) as client:
        await client.send(f"GET {site.url} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert await client.answer() == (200, b"ok")


async def open_many(context: ContextGuard, count: int, first: bytes) -> list[socket.socket]:
    """Connections that have sent some bytes."""
    loop = asyncio.get_running_loop()
    port = int(context.server.rpartition(":")[2])
    made = []
    for n in range(count):
        one = socket.socket()
        one.setblocking(False)
        made.append(one)
        with suppress(OSError):
            await loop.sock_connect(one, ("127.0.0.1", port))
            await loop.sock_sendall(one, first)
        if n % 100 == 0:
            await asyncio.sleep(0)
    return made


@pytest.fixture
def many() -> int:
    """Connections to open: far more than the limit, and as many as this machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_open_files(4 * MANY if hard == resource.RLIM_INFINITY else min(4 * MANY, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = MANY if soft == resource.RLIM_INFINITY else min(MANY, soft // 4)
    assert count > 1.5 * context_guard.MAX_CONNECTIONS, "too few open files are allowed"
    return count


@pytest.mark.parametrize("first", [b"", b"GET http://127.0", b"CONNECT 10.0.0.1:443 HTTP/1.1\r\n"])
async def test_thousands_of_connections_are_held_to_a_limit(first: bytes, many: int) -> None:
    async with leaving_nothing() as context:
        made = await open_many(context, many, first)
        try:
            await asyncio.sleep(0.2)
            assert context.connections <= context_guard.MAX_CONNECTIONS
            other = await guard_of("127.0.0.0/8").open()
            await works(other)
            other.close()
            for one in made:
                with suppress(OSError):
                    one.send(b"x")
        finally:
            for one in made:
                one.close()
        await until(lambda: context.connections == 0)
        await works(context)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("end", ["close", "bind"])
async def test_a_context_that_ends_in_the_middle_of_everything_leaves_nothing(end: str) -> None:
    names = Names({"127.0.0.1": [["127.0.0.1"]]})
    async with target(silent) as still, target(echoes) as echo, leaving_nothing() as context:
        made: list[socket.socket] = []
        for first in (
            b"",
            b"GET http",
            f"GET {still.url} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
            f"POST {still.url} HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\nabc".encode(),
            f"CONNECT {still.authority} HTTP/1.1\r\nHost: a\r\n\r\n".encode() + b"x" * 300_000,
            f"CONNECT {echo.authority} HTTP/1.1\r\nHost: a\r\n\r\n".encode() + b"x" * 300_000,
            b"GET http://240.0.0.1/ HTTP/1.1\r\nHost: a\r\n\r\n",
        ):
            loop = asyncio.get_running_loop()
            port = int(context.server.rpartition(":")[2])
            for _ in range(20):
                one = socket.socket()
                one.setblocking(False)
                made.append(one)
                await loop.sock_connect(one, ("127.0.0.1", port))
                with suppress(BlockingIOError):
                    one.send(first)
        await until(lambda: still.open_connections >= 60)
        if end == "close":
            context.close()
        else:
            context.bind(Owner())
        await until(lambda: still.open_connections == 0 and echo.open_connections == 0)
        await until(lambda: guard_tasks() == [])
        for one in made:
            one.close()
        if end == "bind":
            await works(context)
        assert names.asked == []


async def test_a_connection_that_comes_while_the_context_closes_is_cut() -> None:
    """Between the accept and the first call of its protocol, there is a turn of the loop."""
    for turns in range(6):
        async with leaving_nothing() as context:
            loop = asyncio.get_running_loop()
            port = int(context.server.rpartition(":")[2])
            one = socket.socket()
            one.setblocking(False)
            await loop.sock_connect(one, ("127.0.0.1", port))
            for _ in range(turns):
                await asyncio.sleep(0)
            context.bind(Owner())
            await asyncio.sleep(0.05)
            context.bind(Owner())
            one.setblocking(True)
            one.settimeout(5)
            got = await asyncio.to_thread(_received, one)
            one.close()
            assert got == b""


def _received(one: socket.socket) -> bytes:
    try:
        return one.recv(10)
    except ConnectionError:
        return b""


async def test_tunnels_that_their_client_has_left_do_not_gather(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page opens WebSockets and closes them; their target never does."""
    monkeypatch.setattr(connection, "HALF_CLOSED_S", 0.2)
    end = asyncio.Event()

    async def deaf(_: object) -> None:
        await end.wait()

    async with target(deaf) as site, leaving_nothing() as context:
        try:
            for _ in range(40):
                async with client_of(context) as client:
                    await client.send(
                        f"CONNECT {site.authority} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
                    )
                    await client.head()
                    client.writer.close()
                    await client.writer.wait_closed()
            await until(lambda: context.connections == 0, 20)
        finally:
            end.set()
        await until(lambda: site.open_connections == 0)


async def test_resolutions_of_one_context_do_not_hold_up_another() -> None:
    """A page asks for many names of a server that never answers."""
    hold = asyncio.Event()

    class Slow(Names):
        waiting = 0

        async def __call__(self, host: str, port: int) -> list:  # type: ignore[type-arg]
            if host.endswith(".slow.test"):
                self.waiting += 1
                await hold.wait()
            return await super().__call__(host, port)

    names = Slow({"127.0.0.1": [["127.0.0.1"]]})
    guard = guard_of("127.0.0.0/8", names)
    async with leaving_nothing(guard) as context:
        made = await open_many(context, 200, b"GET http://a.slow.test/ HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: names.waiting == MAX_LOOKUPS)
        other = await guard.open()
        await works(other)
        other.close()
        assert names.waiting == MAX_LOOKUPS  # of 200: the machine's resolver is shared
        for one in made:
            one.close()


async def test_a_head_that_drips_does_not_grow() -> None:
    async with leaving_nothing() as context, client_of(context) as client:
        sending = asyncio.create_task(client.send(b"GET http://127.0.0.1/ HTTP/1.1\r\n"))
        await sending
        with suppress(ConnectionError):
            for n in range(100_000):
                await client.send(b"A%d: b\r\n" % n)
        assert b" 400 " in (await client.rest())[:20]


async def test_a_serving_task_that_is_cancelled_costs_its_connection_alone() -> None:
    async with leaving_nothing() as context, target(echoes) as echo, client_of(context) as other:
        await other.send(f"CONNECT {echo.authority} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert b" 200 " in await other.head()
        (kept,) = context._serving
        async with client_of(context) as client:
            await client.send(f"CONNECT {echo.authority} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert b" 200 " in await client.head()
            (serving,) = context._serving.keys() - {kept}
            serving.cancel()
            assert await client.rest() == b""
        await other.send(b"still here")
        assert await other.exactly(10) == b"still here"
        await works(context)
