"""The proxy of a task: what it may be, and the address that Chromium gets."""

import pytest

from slotgrid.function import OptionRefused
from slotgrid.net.addresses import AddressPolicy
from worker.browser.task_proxy import checked_proxy

CLOSED = AddressPolicy()
HOSTS = {
    "proxy.example.org": ["93.184.215.14", "2606:2800:21f::1"],
    "six.example.org": ["2606:2800:21f::1"],
    "inside.example.org": ["10.0.0.7"],
    "both.example.org": ["10.0.0.7", "93.184.215.14"],
    "metadata.example.org": ["169.254.169.254"],
}


async def resolve(host: str, port: int) -> list[str]:
    if host not in HOSTS:
        raise OSError("no such name")
    return HOSTS[host]


@pytest.mark.parametrize(
    ("server", "reached"),
    [
        ("http://proxy.example.org:3128", "http://93.184.215.14:3128"),
        ("HTTP://Proxy.Example.Org", "http://93.184.215.14:80"),
        ("socks5://six.example.org", "socks5://[2606:2800:21f::1]:1080"),
        ("http://both.example.org:8080", "http://93.184.215.14:8080"),
        ("https://proxy.example.org", "https://proxy.example.org:443"),
    ],
)
async def test_chromium_gets_the_address_that_was_checked(server: str, reached: str) -> None:
    proxy = {"server": server, "username": "u", "password": "p", "bypass": "a"}
    assert await checked_proxy(proxy, CLOSED, resolve) == proxy | {"server": reached}


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("http://inside.example.org:3128", "forbidden address (private); ALLOWED_PRIVATE_NETWORKS"),
        ("socks5://metadata.example.org", "(metadata); ALLOWED_PRIVATE_NETWORKS can allow it"),
        ("https://both.example.org", "(private); ALLOWED_PRIVATE_NETWORKS can allow it"),
        ("http://nowhere.example.org", "the host nowhere.example.org has no address"),
        ("ftp://proxy.example.org", "not a URL of http, https or socks5"),
        ("proxy.example.org:3128", "not a URL of http, https or socks5"),
        ("http://", "not a URL of http, https or socks5"),
        ("http://proxy.example.org:99999", "not a URL of http, https or socks5"),
    ],
)
async def test_other_proxies_are_refused_with_the_reason(server: str, why: str) -> None:
    with pytest.raises(OptionRefused) as refused:
        await checked_proxy({"server": server}, CLOSED, resolve)
    assert refused.value.option == "proxy"
    assert why in str(refused.value)


async def test_a_listed_network_or_host_is_allowed() -> None:
    for listed in ("10.0.0.0/8", "inside.example.org"):
        proxy = {"server": "http://inside.example.org:3128"}
        reached = await checked_proxy(proxy, AddressPolicy.parse(listed), resolve)
        assert reached == {"server": "http://10.0.0.7:3128"}


async def test_numbers_that_resolvers_read_as_loopback_are_refused() -> None:
    for host in ("127.1", "0x7f.1", "2130706433", "localhost", "[::1]"):
        with pytest.raises(OptionRefused, match="loopback"):
            await checked_proxy({"server": f"http://{host}:3128"}, CLOSED)
