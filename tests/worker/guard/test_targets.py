"""Which targets the guard opens, asked for by a client that can spell what no browser would."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.worker.guard.clients import Client, client_of, keeps_alive, target
from tests.worker.guard.guards import guard_of, refusals
from tests.worker.guard.names import Names
from worker.guard.guard import Guard

FORBIDDEN = {
    "metadata": "169.254.169.254",
    "metadata of Azure": "168.63.129.16",
    "metadata of Alibaba": "100.100.100.200",
    "metadata over IPv6": "[fd00:ec2::254]",
    "private 10": "10.0.0.1",
    "private 172": "172.16.0.1",
    "private 192": "192.168.0.1",
    "carrier's": "100.64.0.1",
    "link-local": "169.254.0.1",
    "multicast": "224.0.0.1",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
    "benchmarking": "198.18.0.1",
    "documentation": "192.0.2.1",
    "this network": "0.1.2.3",
    "unique-local": "[fc00::1]",
    "site-local": "[fec0::1]",
    "link-local over IPv6": "[fe80::1]",
    "link-local with a zone": "[fe80::1%lo]",
    "link-local with a zone's number": "[fe80::1%1]",
    "multicast over IPv6": "[ff02::1]",
    "mapped": "[::ffff:10.0.0.1]",
    "mapped metadata": "[::ffff:a9fe:a9fe]",
    "compatible": "[::127.0.0.1]",
    "NAT64": "[64:ff9b::7f00:1]",
    "NAT64, local": "[64:ff9b:1::7f00:1]",
    "6to4": "[2002:7f00:1::]",
    "Teredo": "[2001:0:7f00:1::]",
    "translated": "[::ffff:0:7f00:1]",
    "ISATAP": "[fe80::5efe:7f00:1]",
    "discard": "[100::1]",
    "decimal": "2130706433",
    "octal": "0177.0.0.1",
    "hexadecimal": "0x7f.1",
    "short": "127.1",
    "unspecified": "0.0.0.0",
    "unspecified over IPv6": "[::]",
    "localhost": "localhost",
}


@asynccontextmanager
async def asking(guard: Guard) -> AsyncIterator[Client]:
    context = await guard.open()
    try:
        async with client_of(context) as client:
            yield client
    finally:
        context.close()


@pytest.mark.parametrize("host", FORBIDDEN.values(), ids=FORBIDDEN)
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
async def test_an_address_that_is_not_public_is_refused(host: str, method: str) -> None:
    to = f"{host}:8080" if method == "CONNECT" else f"http://{host}:8080/"
    with refusals() as refused:
        async with asking(guard_of()) as client:
            await client.send(f"{method} {to} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            status, body = await client.answer()
    assert status == 403
    assert b"closed to pages" in body
    assert len(refused.entries) == 1


async def test_a_name_with_an_open_and_a_closed_address_reaches_the_open_one_alone() -> None:
    names = Names({"both.test": [["127.0.0.2", "127.0.0.3"]]})
    async with target(keeps_alive, host="127.0.0.3") as closed:
        to = f"http://both.test:{closed.port}/"
        async with asking(guard_of("127.0.0.2", names)) as client:
            await client.send(f"GET {to} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert (await client.answer())[0] == 502
        async with asking(guard_of("127.0.0.2/31", names)) as client:
            await client.send(f"GET {to} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert (await client.answer())[0] == 200
        assert len(closed.connections) == 1


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
async def test_a_name_is_resolved_once_for_check_and_connection(method: str) -> None:
    names = Names({"rebound.test": [["127.0.0.2"], ["127.0.0.3"]]})
    async with target(keeps_alive, host="127.0.0.3") as closed:
        to = f"rebound.test:{closed.port}"
        asked = to if method == "CONNECT" else f"http://{to}/"
        async with (
            target(keeps_alive, host="127.0.0.2", port=closed.port) as opened,
            asking(guard_of("127.0.0.2", names)) as client,
        ):
            await client.send(f"{method} {asked} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
            assert b" 200 " in await client.head()
            assert len(opened.connections) == 1
            assert names.asked == ["rebound.test"]
        async with asking(guard_of("127.0.0.2", names)) as client:
            await client.send(f"{method} {asked} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
            assert (await client.answer())[0] == 403
        assert closed.connections == []


@pytest.mark.parametrize("host", ["a" * 64 + ".com", "a..b", "a" * 300, "xn--", "-"])
async def test_a_host_that_no_resolver_takes_has_no_address(host: str) -> None:
    async with asking(guard_of()) as client:
        await client.send(f"GET http://{host}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        status, body = await client.answer()
    assert status == 502
    assert b"not known" in body


NODE = ["127.0.0.1", "127.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"]


@pytest.mark.parametrize("host", NODE)
async def test_of_the_node_itself_pages_reach_the_documentation_alone(host: str) -> None:
    async with target(keeps_alive) as node:
        guard = guard_of("127.0.0.0/8, 0.0.0.0/8, ::/0, localhost", node_port=node.port)
        url = f"http://{host}:{node.port}"
        closed = ["/tasks", "/", "/docs/../tasks", "/docsx", "/docs/%2e%2e/tasks", "//docs"]
        for path in closed:
            async with asking(guard) as client:
                await client.send(f"GET {url}{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                assert (await client.answer())[0] == 403, path
        for head in (
            f"POST {url}/docs HTTP/1.1\r\nHost: a\r\nContent-Length: 0",
            f"CONNECT {host}:{node.port} HTTP/1.1\r\nHost: a",
            f"GET {url}/docs HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket",
        ):
            async with asking(guard) as client:
                await client.send(f"{head}\r\n\r\n".encode())
                assert (await client.answer())[0] == 403, head
        assert node.connections == []
        async with asking(guard) as client:
            await client.send(f"GET {url}/docs/start HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert (await client.answer())[0] == 200


async def test_a_kept_connection_to_the_node_opens_nothing_but_its_documentation() -> None:
    async with target(keeps_alive) as node:
        url = f"http://127.0.0.1:{node.port}"
        async with asking(guard_of(node_port=node.port)) as client:
            for path, status in (("/docs", 200), ("/tasks", 403), ("/docs", 200)):
                await client.send(f"GET {url}{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                assert (await client.answer())[0] == status
        assert [head.split(b" ")[1] for head in node.heads] == [b"/docs", b"/docs"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "127.9"]
)
async def test_no_context_uses_the_port_of_another_even_where_loopback_is_open(host: str) -> None:
    guard = guard_of("127.0.0.0/8, 0.0.0.0/8, ::/0, localhost")
    other = await guard.open()
    port = int(other.server.rpartition(":")[2])
    async with guard.running():
        for taken in (port, int(guard.server.rpartition(":")[2])):
            for head in (f"CONNECT {host}:{taken}", f"GET http://{host}:{taken}/"):
                async with asking(guard) as client:
                    await client.send(f"{head} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                    assert (await client.answer())[0] == 403
    assert other.connections == 0
    other.close()


async def test_a_mapped_address_of_this_machine_is_its_own_address() -> None:
    """Where the policy opens the machine's own address, as a public one is, too."""
    from tests.worker.guard.test_escapes import machine  # noqa: PLC0415

    own = next(host for host in machine() if "[" not in host and not host.startswith("127."))
    async with target(keeps_alive, host="0.0.0.0") as node:
        guard = guard_of(f"{own}/32", node_port=node.port)
        for host in (own, f"[::ffff:{own}]"):
            async with asking(guard) as client:
                await client.send(
                    f"GET http://{host}:{node.port}/tasks HTTP/1.1\r\nHost: a\r\n\r\n".encode()
                )
                assert (await client.answer())[0] == 403, host
        assert node.connections == []
