"""Upstream proxies: what they are asked for, what stays checked, and what nobody learns."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from slotgrid.runtime.setting_choices import ProxyResolver
from tests.harness.peers.upstream_proxies import UpstreamProxy
from tests.slotgrid.conftest import certificate
from tests.worker.guard.clients import Client, client_of, echoes, keeps_alive, target
from tests.worker.guard.guards import guard_of, refusals
from tests.worker.guard.names import Names
from worker.browser.errors import ContextOptionsRefused
from worker.guard import routes
from worker.guard.guard import Guard

__all__ = ["certificate"]

SECRET = "pass:w@rd/%41"
SCHEMES = ["http", "socks5"]
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What proxies this machine names is no matter of the tests."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@asynccontextmanager
async def through(guard: Guard, proxy: UpstreamProxy | None, **more: str) -> AsyncIterator[Client]:
    """A client of a context that has this proxy."""
    options = None
    if proxy is not None:
        options = {"server": proxy.url, "username": proxy.username, "password": proxy.password}
        options |= more
    context = await guard.open(options)
    try:
        async with client_of(context) as client:
            yield client
    finally:
        context.close()


async def got(client: Client, url: str) -> tuple[int, bytes]:
    await client.send(f"GET {url} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return await client.answer()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("username", ["", "someone"])
async def test_a_task_s_own_proxy_carries_requests_and_tunnels(scheme: str, username: str) -> None:
    upstream = UpstreamProxy(scheme, username, SECRET if username else "")
    async with upstream.running() as proxy, target(keeps_alive) as site, target(echoes) as echo:
        guard = guard_of("127.0.0.0/8")
        async with through(guard, proxy) as client:
            for _ in range(2):
                assert await got(client, site.url) == (200, b"ok")
            assert len(site.connections) == 1
        async with through(guard, proxy) as client:
            await client.send(f"CONNECT {echo.authority} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert b" 200 " in await client.head()
            await client.send(b"\0tunnel")
            assert await client.exactly(7) == b"\0tunnel"
        assert len(proxy.asked) == 2
        assert all(b"Proxy-" not in head for head in site.heads)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
async def test_a_closed_target_is_refused_before_the_proxy_is_asked(
    scheme: str, method: str
) -> None:
    names = Names({"inner.test": [["10.0.0.1"]], "127.0.0.1": [["127.0.0.1"]]})
    guard = guard_of("127.0.0.1", names)
    async with UpstreamProxy(scheme).running() as proxy:
        for host in ("10.0.0.1", "inner.test", "169.254.169.254", "[::ffff:10.0.0.1]"):
            to = f"{host}:8080" if method == "CONNECT" else f"http://{host}:8080/"
            async with through(guard, proxy) as client:
                await client.send(f"{method} {to} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                assert (await client.answer())[0] == 403, host
        assert proxy.asked == []


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_proxy_that_resolves_otherwise_cannot_change_the_target(scheme: str) -> None:
    """It gets the address that was checked, never the name."""
    names = Names({"rebound.test": [["127.0.0.2"]], "127.0.0.1": [["127.0.0.1"]]})
    guard = guard_of("127.0.0.1, 127.0.0.2", names)
    upstream = UpstreamProxy(scheme, names={"rebound.test": "127.0.0.3"})
    async with (
        upstream.running() as proxy,
        target(keeps_alive, host="127.0.0.2") as opened,
        target(keeps_alive, host="127.0.0.3", port=opened.port) as closed,
        through(guard, proxy) as client,
    ):
        assert await got(client, f"http://rebound.test:{opened.port}/") == (200, b"ok")
        assert closed.connections == []
        assert b"Host: rebound.test" in opened.heads[0]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_where_the_proxy_resolves_it_gets_the_name(scheme: str) -> None:
    guard = guard_of("127.0.0.0/8", Names(), resolver=ProxyResolver.PROXY)
    upstream = UpstreamProxy(scheme, names={"outer.test": "127.0.0.1"})
    async with (
        upstream.running() as proxy,
        target(keeps_alive) as site,
        through(guard, proxy) as client,
    ):
        assert await got(client, f"http://outer.test:{site.port}/") == (200, b"ok")
        assert "outer.test" in proxy.asked[0]


LOCAL = ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
LOCAL += ["localhost", "LOCALHOST", "localhost.", "a.localhost", "a.localhost.", "127.0.0.1."]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("host", LOCAL)
async def test_where_the_proxy_resolves_loopback_stays_closed(scheme: str, host: str) -> None:
    """A proxy on this machine would reach this machine's loopback."""
    names = Names({"proxy.test": [["127.0.0.1"]]})
    guard = guard_of("proxy.test", names, resolver=ProxyResolver.PROXY)
    async with UpstreamProxy(scheme).running() as proxy:
        server = proxy.url.replace("127.0.0.1", "proxy.test")
        async with through(guard, proxy, server=server) as client:
            assert (await got(client, f"http://{host}:8080/"))[0] in {403, 502}
        assert proxy.asked == []


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_task_s_own_proxy_is_itself_checked(scheme: str) -> None:
    async with UpstreamProxy(scheme).running() as proxy, target(keeps_alive) as site:
        with refusals() as refused:
            async with through(guard_of(), proxy) as client:
                assert (await got(client, "http://93.184.215.14/"))[0] == 403
        assert proxy.asked == []
        assert [one.target.host for one in refused.entries] == ["127.0.0.1"]
        guard = guard_of("127.0.0.0/8", node_port=proxy.port)
        async with through(guard, proxy) as client:
            assert (await got(client, site.url))[0] == 403
        other = await guard.open()
        async with through(guard, proxy, server=other.server) as client:
            assert (await got(client, site.url))[0] == 403
        other.close()


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_node_s_own_proxy_may_be_private(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names({"outer.test": [["127.0.0.9"]], "127.0.0.1": [["127.0.0.1"]]})
    upstream = UpstreamProxy(scheme, "someone", "password")
    async with upstream.running() as proxy, target(keeps_alive, host="127.0.0.9") as site:
        server = proxy.url.replace("://", "://someone:password@")
        monkeypatch.setenv("HTTP_PROXY", server)
        monkeypatch.setenv("HTTPS_PROXY", server)
        guard = guard_of("127.0.0.9", names)
        async with through(guard, None) as client:
            assert await got(client, f"http://outer.test:{site.port}/") == (200, b"ok")
        assert len(proxy.asked) == 1
        async with through(guard, None) as client:
            assert (await got(client, "http://127.0.0.1:1/"))[0] == 403
        assert len(proxy.asked) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_targets_of_no_proxy_are_reached_directly_and_checked(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names({"a.direct.test": [["127.0.0.1"]], "b.direct.test": [["10.0.0.1"]]})
    async with UpstreamProxy(scheme).running() as proxy, target(keeps_alive) as site:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "direct.test,127.0.0.1")
        guard = guard_of("127.0.0.1", names)
        for host in ("a.direct.test", "127.0.0.1"):
            async with through(guard, None) as client:
                assert await got(client, f"http://{host}:{site.port}/") == (200, b"ok")
        async with through(guard, None) as client:
            assert (await got(client, "http://b.direct.test/"))[0] == 403
        assert proxy.asked == []


FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "wrong password, http": ("http", {"username": "someone", "password": "other"}),
    "wrong password, socks5": ("socks5", {"username": "someone", "password": "other"}),
    "refusal, http": ("http", {"refuses": b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"}),
    "refusal, socks5": ("socks5", {"refuses": b"\x05\x02\x00\x01\0\0\0\0\0\0"}),
    "no protocol, http": ("http", {"refuses": b"SSH-2.0-OpenSSH\r\n\r\n"}),
    "no protocol, socks5": ("socks5", {"refuses": b"HTTP/1.1 400 Bad\r\n\r\n"}),
    "unknown reply, socks5": ("socks5", {"refuses": b"\x05\x77\x00\x01\0\0\0\0\0\0"}),
    "endless head, http": ("http", {"refuses": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000}),
    "silence, http": ("http", {"silent": True}),
    "silence, socks5": ("socks5", {"silent": True}),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_proxy_at_fault_is_answered_for_without_its_secrets(
    fault: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(routes, "UPSTREAM_S", 0.5)
    scheme, options = FAULTS[fault]
    async with UpstreamProxy(scheme, **options).running() as proxy:
        guard = guard_of("127.0.0.0/8")
        more = {"username": "somebody", "password": SECRET} if proxy.username else {}
        async with through(guard, proxy, **more) as client:
            await client.send(b"CONNECT 127.0.0.9:443 HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = await client.rest()
    assert answer.split(b" ")[1] in {b"502", b"504"}
    assert b"proxy" in answer.lower()
    told = answer.decode() + "".join(capfd.readouterr())
    assert SECRET not in told
    assert "somebody" not in told


@pytest.mark.parametrize(
    "server",
    [
        "ftp://127.0.0.1:1",
        "http://:1",
        "http://a.test:99999",
        "socks4://a.test",
        "",
        "http://[::1:1",
    ],
)
async def test_a_proxy_that_cannot_be_used_is_refused_without_its_secrets(server: str) -> None:
    with pytest.raises(ContextOptionsRefused, match="proxy") as refused:
        await guard_of().open({"server": server, "username": "somebody", "password": SECRET})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("field", ["username", "password"])
async def test_a_user_that_socks_cannot_carry_is_refused(field: str) -> None:
    options = {"server": "socks5://127.0.0.1:1", "username": "a", "password": "b"}
    with pytest.raises(ContextOptionsRefused, match="255 bytes"):
        await guard_of().open(options | {field: "x" * 256})


async def test_an_https_proxy_is_reached_by_its_certificate_alone(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    names = Names({"receiver.example": [["127.0.0.1"]], "127.0.0.1": [["127.0.0.1"]]})
    upstream = UpstreamProxy("http", "someone", SECRET)
    async with upstream.running(tls) as proxy, target(keeps_alive) as site:
        options = {"server": f"https://receiver.example:{proxy.port}", "username": "someone"}
        options["password"] = SECRET
        for trusted in (False, True):
            if trusted:
                monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
            context = await guard_of("127.0.0.0/8", names).open(options)
            async with client_of(context) as client:
                status, body = await got(client, site.url)
            context.close()
            assert (status, body == b"ok") == ((200, True) if trusted else (502, False))
            assert SECRET.encode() not in body
    assert proxy.asked == [f"CONNECT {site.authority}"]
