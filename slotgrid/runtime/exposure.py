"""Whether other machines can reach the node's port, and whether its key is strong enough."""

from ipaddress import IPv6Address, ip_address

# Long enough that guessing over a network is hopeless; a generated key has 43 characters.
PUBLIC_KEY_MIN_LENGTH = 16
DEFAULT_LOOKING = ("change", "default", "example", "password", "secret-key", "123456", "your-")

EVERY_IPV4 = "0.0.0.0"  # noqa: S104  named here, bound only where HOST says so


def is_every_ipv6(host: str) -> bool:
    """Whether `host` means every address of the machine, as IPv6 writes it."""
    try:
        return ip_address(host) == IPv6Address(0)
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. Unknown names count as public."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def weakness(key: str) -> str:
    """Why `key` must not guard a public port, as the end of a sentence; empty if it may."""
    if not key:
        return "is empty"
    if len(key) < PUBLIC_KEY_MIN_LENGTH:
        return "is short"
    few_characters = len(set(key)) < PUBLIC_KEY_MIN_LENGTH // 2
    if few_characters or any(word in key.lower() for word in DEFAULT_LOOKING):
        return "looks like a default"
    return ""
