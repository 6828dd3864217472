"""The sockets of a node's address, bound before any part of the node starts."""

import errno
import os
import socket
from contextlib import ExitStack

from slotgrid.runtime.exposure import EVERY_IPV4, is_every_ipv6
from slotgrid.runtime.start_fault import StartFault

TRIES = 20


def bind(host: str, port: int) -> list[socket.socket]:
    """A bound socket for each address of `host`, all on one port; 0 takes a free one.

    The sockets accept connections only after `listen`. Raises StartFault.
    """
    # A port that is free on one address may be taken on another: then try another free port.
    left = TRIES if port == 0 else 1
    while True:
        left -= 1
        try:
            return _bound(host, port)
        except OSError as error:
            if left == 0 or error.errno != errno.EADDRINUSE:
                raise refused(host, port, error) from error


def _bound(host: str, port: int) -> list[socket.socket]:
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, address in _addresses(host):
            bound = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # IPv4 has its own socket instead of mapped addresses, so that the log and
                # TRUSTED_PROXIES see the real address of a caller.
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((address, port or (sockets[0].getsockname()[1] if sockets else 0)))
            sockets.append(bound)
        opened.pop_all()
        return sockets


def refused(host: str, port: int, error: OSError) -> StartFault:
    """The error of a node that cannot listen on this address, with the remedy."""
    named = isinstance(error, socket.gaierror) or not error.errno
    reason = str(error.strerror or error) if named else os.strerror(error.errno or 0)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return StartFault(
        f"cannot listen on {place}: {reason}; stop the process that listens there, or set another "
        "HOST or PORT"
    )


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = [(family, str(address[0])) for family, _, _, _, address in found]
    if is_every_ipv6(host):
        addresses.append((socket.AF_INET, EVERY_IPV4))
    return list(dict.fromkeys(addresses))
