"""SSRF guard: the network addresses that requests may connect to.

A URL from a caller must not reach the node's internal network or a cloud's metadata service, which
hands out credentials. So an address is public only outside the ranges of IANA's special-purpose
registries (RFC 6890, as of 2026). The ranges are listed here, since `is_global` of Python's
`ipaddress` changes with Python's version.

The check applies to the address that is connected to, never to a host name alone.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressKind(StrEnum):
    """The purpose of an address; all except PUBLIC are refused."""

    PUBLIC = "public"
    UNSPECIFIED = "unspecified"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    SHARED = "carrier's shared"
    LINK_LOCAL = "link-local"
    METADATA = "metadata"
    MULTICAST = "multicast"
    TUNNEL = "tunnelled"
    RESERVED = "reserved"


def _table(rows: dict[AddressKind, str]) -> tuple[tuple[Network, AddressKind], ...]:
    return tuple((ip_network(item), kind) for kind, items in rows.items() for item in items.split())


# The first network that contains an address gives its kind; the last network contains all.
_KINDS = {
    4: _table(
        {
            # Amazon (EC2, ECS, EKS), Google, Azure and most others; Scaleway; Azure's host, whose
            # address looks public; Alibaba; Oracle.
            AddressKind.METADATA: "169.254.169.254 169.254.170.2 169.254.170.23 169.254.42.42 "
            "168.63.129.16 100.100.100.200 192.0.0.192",
            AddressKind.UNSPECIFIED: "0.0.0.0/8",
            AddressKind.LOOPBACK: "127.0.0.0/8",
            AddressKind.PRIVATE: "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16",
            AddressKind.SHARED: "100.64.0.0/10",
            AddressKind.LINK_LOCAL: "169.254.0.0/16",
            AddressKind.MULTICAST: "224.0.0.0/4",
            AddressKind.TUNNEL: "192.88.99.0/24",
            AddressKind.RESERVED: "192.0.0.0/24 192.0.2.0/24 198.18.0.0/15 198.51.100.0/24 "
            "203.0.113.0/24 240.0.0.0/4",
            AddressKind.PUBLIC: "0.0.0.0/0",
        }
    ),
    6: (
        *_table(
            {
                AddressKind.METADATA: "fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:42::42",
                AddressKind.UNSPECIFIED: "::",
                AddressKind.LOOPBACK: "::1",
                AddressKind.PRIVATE: "fc00::/7 fec0::/10",
                AddressKind.LINK_LOCAL: "fe80::/10",
                AddressKind.MULTICAST: "ff00::/8",
                # Teredo and 6to4: an embedded IPv4 address determines the real destination.
                AddressKind.TUNNEL: "2001::/32 2002::/16",
                AddressKind.RESERVED: "2001::/23 2001:db8::/32 3fff::/20",
                AddressKind.PUBLIC: "2000::/3",
            }
        ),
        *_table({AddressKind.RESERVED: "::/0"}),
    ),
}

# IPv6 forms of an IPv4 address: mapped by the operating system, or translated by NAT64 (RFC 6052;
# with DNS64, every IPv4-only host has such an address).
_EMBEDDING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))

_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")


class AddressRefused(Exception):
    """A host resolves to an address that is not allowed.

    The message omits the resolved address, since callers must not learn how names of the internal
    network resolve; `address` has it.
    """

    def __init__(self, host: str, address: str, kind: AddressKind) -> None:
        super().__init__(
            f"{host} resolves to a forbidden address ({kind}); "
            "ALLOWED_PRIVATE_NETWORKS can allow it"
        )
        self.host = host
        self.address = address
        self.kind = kind


def embedded(address: Address) -> Address:
    """The IPv4 address embedded in an IPv6 address; any other address unchanged."""
    if any(address in network for network in _EMBEDDING):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def kind_of(address: Address) -> AddressKind:
    """The kind of the address, or of the IPv4 address embedded in it."""
    address = embedded(address)
    return next(kind for network, kind in _KINDS[address.version] if address in network)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Allows public addresses, and those of the listed networks and host names.

    A listed host name allows any address that it resolves to, but only in URLs with that name.
    """

    networks: tuple[Network, ...] = ()
    host_names: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "AddressPolicy":
        """Parse `ALLOWED_PRIVATE_NETWORKS`: addresses, CIDR networks, host names, with commas.

        Raises ValueError for the first invalid item.
        """
        networks: list[Network] = []
        host_names: set[str] = set()
        for item in filter(None, map(str.strip, text.split(","))):
            try:
                networks.append(ip_network(item))
            except ValueError:
                host_names.add(_host_name(item))
        return cls(tuple(networks), frozenset(host_names))

    def allows(self, host: str, address: str | Address) -> bool:
        """Whether `address`, resolved from `host`, is allowed."""
        found = ip_address(address)
        return self._opens(host, found) or kind_of(found) is AddressKind.PUBLIC

    def check(self, host: str, address: str | Address) -> None:
        """Raise AddressRefused unless `address`, resolved from `host`, is allowed."""
        if not self.allows(host, address):
            raise AddressRefused(host, str(address), kind_of(ip_address(address)))

    def check_literal(self, host: str) -> None:
        """Raise AddressRefused if `host` is itself an address that is not allowed.

        A host name passes: its addresses are checked after resolution.
        """
        try:
            address = ip_address(host)
        except ValueError:
            return
        self.check(host, address)

    def _opens(self, host: str, address: Address) -> bool:
        return _plain(host) in self.host_names or any(
            address in network or embedded(address) in network for network in self.networks
        )


def _plain(host: str) -> str:
    """A host name normalized for comparison: lower case, without the trailing dot."""
    return host.lower().removesuffix(".")


def _host_name(item: str) -> str:
    name = _plain(item)
    # A name that ends in a number is a mistyped address: no host has such a name, and resolvers
    # read it in unexpected ways ("10.1" is 10.0.0.1).
    if not _HOST_NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise ValueError(
            f"{item!r} is no address, no CIDR network (such as 10.0.0.0/8, nothing set beyond the "
            "prefix) and no host name in ASCII"
        )
    return name
