from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotgrid.net.addresses import AddressKind, AddressPolicy, AddressRefused, embedded, kind_of

CLOSED = AddressPolicy()

ipv4 = st.ip_addresses(v=4)
ipv6 = st.ip_addresses(v=6)
addresses = ipv4 | ipv6


def mapped(address: IPv4Address) -> IPv6Address:
    return IPv6Address(f"::ffff:{address}")


def nat64(address: IPv4Address) -> IPv6Address:
    return IPv6Address(f"64:ff9b::{address}")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("93.184.215.14", "public"),
        ("9.255.255.255", "public"),
        ("11.0.0.0", "public"),
        ("172.15.255.255", "public"),
        ("172.32.0.0", "public"),
        ("100.63.255.255", "public"),
        ("100.128.0.0", "public"),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", "public"),
        ("2001:200::1", "public"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("::1", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.0.0", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("fc00::1", "private"),
        ("fdff::1", "private"),
        ("fec0::1", "private"),
        ("100.64.0.1", "carrier's shared"),
        ("100.127.255.255", "carrier's shared"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("169.254.169.254", "metadata"),
        ("169.254.170.2", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("2002:7f00:1::1", "tunnelled"),
        ("2001::1", "tunnelled"),
        ("192.88.99.1", "tunnelled"),
        ("255.255.255.255", "reserved"),
        ("240.0.0.1", "reserved"),
        ("192.0.0.8", "reserved"),
        ("198.19.0.1", "reserved"),
        ("203.0.113.9", "reserved"),
        ("2001:db8::1", "reserved"),
        ("3fff::1", "reserved"),
        ("::127.0.0.1", "reserved"),
        ("::ffff:0:127.0.0.1", "reserved"),
        ("64:ff9b:1::7f00:1", "reserved"),
        ("5f00::1", "reserved"),
        ("4000::1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::93.184.215.14", "public"),
    ],
)
def test_an_address_is_of_the_kind_that_the_registries_say(address: str, kind: str) -> None:
    assert kind_of(ip_address(address)) == kind
    assert CLOSED.allows("host.example", address) is (kind == "public")


@given(ipv4)
def test_an_ipv4_address_in_ipv6_form_is_judged_as_itself(address: IPv4Address) -> None:
    for form in (mapped(address), nat64(address)):
        assert embedded(form) == address
        assert kind_of(form) is kind_of(address)
        assert CLOSED.allows("host.example", form) is CLOSED.allows("host.example", address)


@given(addresses)
def test_nothing_is_public_that_the_standard_library_knows_to_be_special(
    address: IPv4Address | IPv6Address,
) -> None:
    plain = embedded(address)
    if kind_of(address) is AddressKind.PUBLIC:
        assert not (plain.is_private or plain.is_loopback or plain.is_link_local)
        assert not (plain.is_multicast or plain.is_reserved or plain.is_unspecified)
        assert plain.is_global


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), ipv4)
def test_an_opened_network_opens_its_addresses_and_no_other(
    base: int, length: int, other: IPv4Address
) -> None:
    network = IPv4Network((base, length), strict=False)
    policy = AddressPolicy.parse(f" {network} ,")
    assert policy == AddressPolicy((network,))
    for inside in (network[0], network[-1]):
        assert policy.allows("host.example", inside)
        assert policy.allows("host.example", str(mapped(inside)))
    assert policy.allows("host.example", other) is (
        other in network or CLOSED.allows("host.example", other)
    )


def test_an_opened_network_of_one_version_opens_nothing_of_the_other() -> None:
    policy = AddressPolicy.parse("0.0.0.0/0")
    assert policy.allows("localhost", "127.0.0.1")
    assert not policy.allows("localhost", "::1")
    assert AddressPolicy.parse("::/0").allows("localhost", "::1")
    assert not AddressPolicy.parse("::/0").allows("localhost", "127.0.0.1")


@given(addresses)
def test_an_opened_host_name_opens_what_it_leads_to_for_itself_only(
    address: IPv4Address | IPv6Address,
) -> None:
    policy = AddressPolicy.parse("Files.Internal, localhost")
    for spelling in ("files.internal", "FILES.internal", "files.internal."):
        assert policy.allows(spelling, address)
    for other in ("internal", "my-files.internal", "files.internal.example", "filesxinternal"):
        assert policy.allows(other, address) is CLOSED.allows(other, address)


def test_what_is_opened_is_read_from_one_line() -> None:
    policy = AddressPolicy.parse("10.0.0.0/8, ::1, localhost , 192.168.0.5,fd00::/8, my_host.")
    assert policy.networks == (
        IPv4Network("10.0.0.0/8"),
        IPv6Network("::1/128"),
        IPv4Network("192.168.0.5/32"),
        IPv6Network("fd00::/8"),
    )
    assert policy.host_names == {"localhost", "my_host"}
    assert AddressPolicy.parse("") == AddressPolicy.parse(" , ") == CLOSED


@pytest.mark.parametrize(
    "item",
    [
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0",
        "300.1.1.1",
        "0x7f000001",
        "a.0x7f",
        "127.1",
        "*.internal",
        "localhost:3000",
        "http://localhost",
        "a b",
        "a..b",
        "-a",
        "bücher.example",
        "fe80::/10/3",
        "x" * 64,
    ],
)
def test_what_is_no_network_and_no_name_is_named(item: str) -> None:
    with pytest.raises(ValueError, match="is no address") as caught:
        AddressPolicy.parse(f"localhost, {item}")
    assert repr(item) in str(caught.value)


def test_a_refusal_tells_the_kind_but_not_the_address_behind_a_name() -> None:
    with pytest.raises(AddressRefused) as caught:
        CLOSED.check("db.internal", "10.1.2.3")
    assert str(caught.value).startswith("db.internal resolves to a forbidden address")
    assert "(private)" in str(caught.value)
    assert "10.1.2.3" not in str(caught.value)
    assert (caught.value.address, caught.value.kind) == ("10.1.2.3", AddressKind.PRIVATE)


def test_what_is_allowed_passes_the_check() -> None:
    CLOSED.check("example.org", "93.184.215.14")
    AddressPolicy.parse("localhost").check("localhost", "::1")


def test_a_host_that_is_an_address_is_judged_and_a_name_is_not_yet() -> None:
    for host in ("127.0.0.1", "::1", "::ffff:10.0.0.1", "fe80::1%eth0"):
        with pytest.raises(AddressRefused):
            CLOSED.check_literal(host)
    for host in ("localhost", "93.184.215.14", "metadata.internal", ""):
        CLOSED.check_literal(host)
    AddressPolicy.parse("127.0.0.1").check_literal("127.0.0.1")
