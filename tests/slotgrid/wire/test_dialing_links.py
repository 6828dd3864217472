"""Dialling a link: where, and why it fails."""

import ssl
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from slotgrid.net.dialling import DialFailed
from slotgrid.wire.encoding import from_worker
from slotgrid.wire.link_sockets import dial, link_url
from tests.harness.peers.receivers import receiver


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://a:3000", "ws://a:3000/link"),
        ("https://a/prefix", "wss://a/prefix/link"),
        ("https://a/prefix/", "wss://a/prefix/link"),
    ],
)
def test_a_nodes_links_are_below_its_own_address(base: str, expected: str) -> None:
    assert str(link_url(base)) == expected


async def reason_of_failure(base: str) -> str:
    async with ClientSession() as session:
        with pytest.raises(DialFailed) as caught:
            await dial(session, base, "key", from_worker())
    return str(caught.value)


async def test_the_reason_of_a_failed_dial_is_plain() -> None:
    assert await reason_of_failure("http://127.0.0.1:1") == "Connection refused"
    reason = await reason_of_failure("http://nowhere.invalid")
    assert reason.startswith("nowhere.invalid cannot be resolved: ")
    assert await reason_of_failure("nonsense")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "answered 401: the key is wrong"),
        (404, "answered 404: no node of Slotgrid, or one without links"),
        (503, "answered 503"),
    ],
)
async def test_a_refusal_is_named_by_its_status(status: int, reason: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with receiver(answer) as there:
        assert await reason_of_failure(f"http://127.0.0.1:{there.port}") == reason
    assert there.received[0].headers["authorization"] == "Bearer key"


async def test_faults_of_tls_are_plain(certificate: tuple[Path, Path]) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    async with receiver(tls=server) as there:
        reason = await reason_of_failure(f"https://127.0.0.1:{there.port}")
        assert reason == "its certificate is not valid: self-signed certificate"
    async with receiver() as there:
        reason = await reason_of_failure(f"https://127.0.0.1:{there.port}")
        assert reason.startswith("TLS failed: ")
