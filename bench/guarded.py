"""What the traffic guard costs: a worker with it and one without, and the bytes that it moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psutil

from bench.load import closed_load, submit
from bench.pairs import Pair, per_s, percentile_ms
from bench.processes import Server, started
from bench.table import Row

RATE_TARGET = 0.95
ADDED_TARGET_MS = 3.0
STREAM_TARGET_MB_S = 300.0
STREAM_BYTES = 1 << 30
CHUNK = bytes(256 * 1024)
CONNECTIONS = 1000
GROWTH_TARGET = 1.1
MB = 1_000_000


async def measure_pages(
    guarded: Server, free: Server, url: str, *, slots: int, rounds: int, seconds: float
) -> list[Row]:
    """`page_title` with and without the guard, in turn."""
    request = submit("page_title", {"url": url})
    busy, single = Pair(), Pair()
    for server in (guarded, free):
        await closed_load(server, request, clients=slots, seconds=2)
    for _ in range(rounds):
        for pair, clients in ((busy, slots), (single, 1)):
            pair.ours.append(await closed_load(guarded, request, clients=clients, seconds=seconds))
            pair.bare.append(await closed_load(free, request, clients=clients, seconds=seconds))
    ratio = busy.rate_ratio()
    ours_ms, bare_ms = percentile_ms(single.ours, 50), percentile_ms(single.bare, 50)
    return [
        Row(
            f"Traffic guard on: `page_title`, tasks/s, {slots} at once; off",
            f"{per_s(busy.ours):.1f}",
            f"{per_s(busy.bare):.1f}",
            f"{ratio:.2f}",
            f"at least {RATE_TARGET}",
            ratio >= RATE_TARGET,
        ),
        Row(
            "Traffic guard on: `page_title`, one at a time, p50, ms; off",
            f"{ours_ms:.1f}",
            f"{bare_ms:.1f}",
            f"adds {ours_ms - bare_ms:.1f}",
            f"at most {ADDED_TARGET_MS:g}",
            ours_ms - bare_ms <= ADDED_TARGET_MS,
        ),
    ]


async def measure_bytes() -> list[Row]:
    """A gigabyte through the guard, by the CPU of its process; its memory with many connections."""
    async with started("bench.guard_process") as guard, _source() as source:
        rows = []
        for name, tunnel in (("plain HTTP", False), ("a tunnel", True)):
            before_s = guard.cpu_s()
            await _download(guard.port, source, tunnel=tunnel)
            rate = STREAM_BYTES / MB / (guard.cpu_s() - before_s)
            rows.append(
                Row(
                    f"Traffic guard: 1 GB through {name}, MB for each second of CPU",
                    f"{rate:.0f}",
                    target=f"at least {STREAM_TARGET_MB_S:g}",
                    met=rate >= STREAM_TARGET_MB_S,
                )
            )
        before_mb, after_mb = await _hold_connections(guard, source)
        growth = after_mb / before_mb
        rows.append(
            Row(
                f"Traffic guard: memory with {CONNECTIONS} busy connections, MB; as they begin",
                f"{after_mb:.0f}",
                f"{before_mb:.0f}",
                f"{growth:.2f}",
                f"at most {GROWTH_TARGET}",
                growth <= GROWTH_TARGET,
            )
        )
    return rows


async def _hold_connections(guard: Server, source: int) -> tuple[float, float]:
    """Memory with many connections whose clients read slowly: at first, and after a while."""
    process = psutil.Process(guard.pid)
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(_requested(guard.port, source, tunnel=True))
            for _ in range(CONNECTIONS)
        ]
        await asyncio.sleep(2)
        before_mb = process.memory_info().rss / MB
        for _ in range(20):
            for reader in readers:
                await reader.readexactly(16 * 1024)
        return before_mb, process.memory_info().rss / MB


async def _download(proxy: int, source: int, *, tunnel: bool) -> None:
    async with _requested(proxy, source, tunnel=tunnel) as reader:
        left = STREAM_BYTES
        while left:
            left -= len(await reader.read(left))


@asynccontextmanager
async def _requested(
    proxy: int, source: int, *, tunnel: bool
) -> AsyncIterator[asyncio.StreamReader]:
    """The body of the source's answer, through the guard."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy, limit=1024 * 1024)
    host = f"127.0.0.1:{source}"
    try:
        if tunnel:
            writer.write(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
        path = "/" if tunnel else f"http://{host}/"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        yield reader
    finally:
        writer.transport.abort()


@asynccontextmanager
async def _source() -> AsyncIterator[int]:
    """A server that answers every request with a gigabyte; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {STREAM_BYTES}\r\n\r\n".encode())
            for _ in range(STREAM_BYTES // len(CHUNK)):
                writer.write(CHUNK)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=CONNECTIONS)
    async with server:
        yield server.sockets[0].getsockname()[1]
