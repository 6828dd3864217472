"""Addresses of proxies: what is read, and what is refused without showing the password."""

import pytest

from slotgrid.net.proxy_address import ProxyAddress


@pytest.mark.parametrize(
    ("url", "host", "port", "login"),
    [
        ("http://proxy.example:3128", "proxy.example", 3128, ("", "")),
        ("http://proxy.example", "proxy.example", 80, ("", "")),
        ("https://[2001:db8::1]", "2001:db8::1", 443, ("", "")),
        ("socks5://a%40b:p%3Aw@10.0.0.1", "10.0.0.1", 1080, ("a@b", "p:w")),
    ],
)
def test_an_address_is_read_with_its_login(
    url: str, host: str, port: int, login: tuple[str, str]
) -> None:
    address = ProxyAddress.parse(url)
    assert (address.host, address.port) == (host, port)
    assert (address.username, address.password) == login
    assert "p:w" not in repr(address)


def test_a_login_beside_the_url_wins() -> None:
    address = ProxyAddress.parse("http://a:b@proxy.example", username="c", password="d")
    assert (address.username, address.password) == ("c", "d")


def test_a_url_without_a_scheme_may_have_a_default() -> None:
    address = ProxyAddress.parse("proxy.example:3128", default_scheme="http")
    assert (address.scheme, address.host, address.port) == ("http", "proxy.example", 3128)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://u:secret@proxy.example", "http, https or socks5, not 'ftp'"),
        ("proxy.example:3128", "http, https or socks5"),
        ("http://u:secret@", "has no host"),
        ("http://u:secret@proxy.example:99999", "no valid host or port"),
        ("http://u:secret@[::1", "no valid host or port"),
        (f"socks5://u:{'secret' * 50}@proxy.example", "at most 255 bytes"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(
    url: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        ProxyAddress.parse(url)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None
