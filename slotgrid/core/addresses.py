"""Which network addresses may be asked.

What others name (a webhook's URL, a page's) must not lead into the network that the node stands
in, nor to what tells a machine its own credentials. So an address counts as public only if it
stands in the ranges that IANA's special-purpose registries (RFC 6890, as of 2026) leave over. They
are written out here, since what Python's `ipaddress` calls global changes with Python's version.

A host name says nothing: only the address that it resolves to, and that is then connected to, does.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressKind(StrEnum):
    """What an address is for; all but PUBLIC are refused."""

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


# In each table the first network that holds an address names its kind, and the last holds them all.
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
                # Teredo and 6to4: an IPv4 address inside says where the packets really go.
                AddressKind.TUNNEL: "2001::/32 2002::/16",
                AddressKind.RESERVED: "2001::/23 2001:db8::/32 3fff::/20",
                AddressKind.PUBLIC: "2000::/3",
            }
        ),
        *_table({AddressKind.RESERVED: "::/0"}),
    ),
}

# IPv6 forms of an IPv4 address: mapped by the operating system, translated by NAT64 (RFC 6052;
# with DNS64 in front of it, every IPv4-only host has such an address).
_EMBEDDING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))

_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")


class AddressRefused(Exception):
    """The address that a host leads to may not be asked.

    The message does not tell the address of a host name, for who asks may not be meant to learn
    what the names of the inner network stand for; `address` does.
    """

    def __init__(self, host: str, address: str, kind: AddressKind) -> None:
        super().__init__(
            f"{host} leads to an address that may not be asked ({kind}); "
            "ALLOWED_PRIVATE_NETWORKS opens what is meant to be"
        )
        self.host = host
        self.address = address
        self.kind = kind


def embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for; any other is given back as it is."""
    if any(address in network for network in _EMBEDDING):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def kind_of(address: Address) -> AddressKind:
    """What the address, or the IPv4 address inside it, is for."""
    address = embedded(address)
    return next(kind for network, kind in _KINDS[address.version] if address in network)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Public addresses may be asked, and beyond them those of these networks and host names.

    A host name opens whatever it leads to, and only when it is itself what was asked for.
    """

    networks: tuple[Network, ...] = ()
    host_names: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "AddressPolicy":
        """Read `ALLOWED_PRIVATE_NETWORKS`: addresses, CIDR networks, host names; by commas.

        Raises ValueError that names the first item which is none of these.
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
        """Whether `address`, which `host` led to, may be asked."""
        found = ip_address(address)
        return self._opens(host, found) or kind_of(found) is AddressKind.PUBLIC

    def check(self, host: str, address: str | Address) -> None:
        """Raise AddressRefused unless `address`, which `host` led to, may be asked."""
        if not self.allows(host, address):
            raise AddressRefused(host, str(address), kind_of(ip_address(address)))

    def check_literal(self, host: str) -> None:
        """Raise AddressRefused if `host` is itself an address that may not be asked.

        A host name passes: what it leads to is checked when it is known.
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
    """A host name as names are compared: in any case, with or without the root's dot."""
    return host.lower().removesuffix(".")


def _host_name(item: str) -> str:
    name = _plain(item)
    # What ends in a number is a mistyped address: no host has such a name, and what resolvers make
    # of it ("10.1" is 10.0.0.1) is not what was meant.
    if not _HOST_NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise ValueError(
            f"{item!r} is no address, no CIDR network (such as 10.0.0.0/8, nothing set beyond the "
            "prefix) and no host name in ASCII"
        )
    return name
