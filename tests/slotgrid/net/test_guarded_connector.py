"""What a webhook cannot reach, however its URL is written and whatever its name leads to."""

import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from slotgrid.net.addresses import AddressPolicy, AddressRefused
from slotgrid.net.guarded_connector import GuardedConnector
from slotgrid.webhooks.sender import Outcome, UrlFault, webhook_sender, webhook_target
from tests.harness.peers.receivers import LOOPBACK, SECRET, FakeResolver, receiver

CLOSED = AddressPolicy()
OUTSIDE = AddressPolicy.parse("127.0.0.2")  # stands for what is public, 127.0.0.1 for what is not


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "0.0.0.0",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "①②⑦.⓪.⓪.①",
        "user:password@127.0.0.1",
    ],
)
async def test_no_spelling_of_this_machine_is_asked(host: str) -> None:
    async with receiver() as there, webhook_sender(policy=CLOSED, secret=SECRET) as sender:
        attempt = await sender.send(there.delivery(url=f"http://{host}:{there.port}/"))
    assert attempt.outcome is Outcome.REFUSED
    assert attempt.status is None
    assert attempt.error
    assert "password" not in attempt.error
    assert there.received == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://[::1/",
        f"http://{'a' * 64}.example/",
        "http://a..example/",
    ],
)
async def test_what_is_no_url_to_send_to_is_refused_for_good(url: str) -> None:
    with pytest.raises(UrlFault):
        webhook_target(url, LOOPBACK)
    async with receiver() as there, webhook_sender(policy=LOOPBACK, secret=SECRET) as sender:
        attempt = await sender.send(there.delivery(url=url))
    assert (attempt.outcome, attempt.status) == (Outcome.REFUSED, None)


async def test_a_secret_that_gives_no_key_is_refused_for_good() -> None:
    async with receiver() as there, webhook_sender(policy=LOOPBACK, secret=SECRET) as sender:
        attempt = await sender.send(there.delivery(secret="whsec_hunter*2"))
    assert attempt.outcome is Outcome.REFUSED
    assert attempt.error == "the webhook's secret is not a valid key: expected base64 after whsec_"
    assert there.received == []


def test_a_url_with_a_refused_address_is_told_when_it_is_accepted() -> None:
    with pytest.raises(AddressRefused):
        webhook_target("http://169.254.169.254/latest/meta-data/", CLOSED)
    assert webhook_target("https://example.org/done", CLOSED).host == "example.org"
    assert webhook_target("https://bücher.example/", CLOSED).raw_host == "xn--bcher-kva.example"


async def test_a_name_that_leads_inside_is_refused_after_it_is_resolved() -> None:
    resolver = FakeResolver({"inside.example": [["127.0.0.1"]]})
    async with (
        receiver() as there,
        webhook_sender(policy=CLOSED, secret=SECRET, resolver=resolver) as sender,
    ):
        url = f"http://inside.example:{there.port}/"
        attempt = await sender.send(there.delivery(url=url))
    assert attempt.outcome is Outcome.REFUSED
    assert attempt.error == (
        "inside.example resolves to a forbidden address (loopback); "
        "ALLOWED_PRIVATE_NETWORKS can allow it"
    )
    assert resolver.asked == ["inside.example"]
    assert there.received == []


async def test_of_several_addresses_only_allowed_ones_are_connected_to() -> None:
    resolver = FakeResolver({"both.example": [["127.0.0.1", "::1", "127.0.0.2"]]})
    async with (
        receiver(host="127.0.0.2") as outside,
        receiver(host="127.0.0.1", port=outside.port) as inside,
        webhook_sender(policy=OUTSIDE, secret=SECRET, resolver=resolver) as sender,
    ):
        url = f"http://both.example:{outside.port}/"
        attempt = await sender.send(outside.delivery(url=url))
    assert attempt.outcome is Outcome.DELIVERED
    assert len(outside.received) == 1
    assert inside.received == []


async def test_a_name_that_changes_its_address_between_check_and_connection_gets_nowhere() -> None:
    """DNS rebinding: each question is answered once outside, and from then on inside."""
    resolver = FakeResolver({"rebind.example": [["127.0.0.2"], ["127.0.0.1"]]})
    async with (
        receiver(host="127.0.0.2") as outside,
        receiver(host="127.0.0.1", port=outside.port) as inside,
        webhook_sender(policy=OUTSIDE, secret=SECRET, resolver=resolver) as sender,
    ):
        delivery = outside.delivery(url=f"http://rebind.example:{outside.port}/")
        first, second = await sender.send(delivery), await sender.send(delivery)
    # One question an attempt: what was checked is what was connected to.
    assert resolver.asked == ["rebind.example"] * 2
    assert (first.outcome, second.outcome) == (Outcome.DELIVERED, Outcome.REFUSED)
    assert len(outside.received) == 1
    assert inside.received == []


async def test_an_opened_name_is_asked_and_its_address_by_itself_is_not() -> None:
    resolver = FakeResolver({"files.internal": [["127.0.0.1"]], "other.internal": [["127.0.0.1"]]})
    async with (
        receiver() as there,
        webhook_sender(
            policy=AddressPolicy.parse("files.internal"), secret=SECRET, resolver=resolver
        ) as sender,
    ):
        outcomes = [
            (await sender.send(there.delivery(url=f"http://{host}:{there.port}/"))).outcome
            for host in ("files.internal", "other.internal", "127.0.0.1")
        ]
    assert outcomes == [Outcome.DELIVERED, Outcome.REFUSED, Outcome.REFUSED]
    assert [each.headers["host"] for each in there.received] == [f"files.internal:{there.port}"]


async def test_the_connector_guards_redirects_too_where_a_session_follows_them() -> None:
    async with receiver() as inside:

        async def redirect(request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": inside.url})

        async with (
            receiver(redirect, host="127.0.0.2") as outside,
            aiohttp.ClientSession(connector=GuardedConnector(OUTSIDE)) as session,
        ):
            with pytest.raises(AddressRefused):
                await session.get(outside.url)
    assert len(outside.received) == 1
    assert inside.received == []


async def test_the_connector_takes_no_proxy() -> None:
    async with (
        receiver() as proxy,
        aiohttp.ClientSession(connector=GuardedConnector(LOOPBACK)) as session,
    ):
        with pytest.raises(ValueError, match="a proxy would resolve the address"):
            await session.get("http://10.0.0.1/", proxy=proxy.url)
    assert proxy.received == []


@pytest.mark.parametrize(
    ("host", "known", "outcome"),
    [
        ("receiver.example", True, Outcome.DELIVERED),
        ("receiver.example", False, Outcome.RETRY),
        ("other.example", True, Outcome.RETRY),
    ],
)
async def test_tls_asks_for_the_name_of_the_url_at_the_address_that_was_checked(
    certificate: tuple[Path, Path], host: str, known: bool, outcome: Outcome
) -> None:
    chain, key = certificate
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    names: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    trusting = ssl.create_default_context(cafile=chain) if known else None
    resolver = FakeResolver({host: [["127.0.0.1"]]})
    async with (
        receiver(tls=server) as there,
        webhook_sender(policy=LOOPBACK, secret=SECRET, resolver=resolver, tls=trusting) as sender,
    ):
        attempt = await sender.send(there.delivery(url=f"https://{host}:{there.port}/"))
    assert attempt.outcome is outcome
    assert names == [host]
    expected_hosts = [f"{host}:{there.port}"] if outcome is Outcome.DELIVERED else []
    assert [each.headers["host"] for each in there.received] == expected_hosts
    if outcome is Outcome.RETRY:
        assert (attempt.error or "").startswith("its certificate is not valid: ")
