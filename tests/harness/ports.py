"""Ports that are free, for what has to know its port before it listens."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def free_ports(count: int, host: str = "127.0.0.1") -> Iterator[tuple[int, ...]]:
    """So many different ports on which nobody listens now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as stack:
        servers = [
            stack.enter_context(socket.create_server((host, 0), family=family))
            for _ in range(count)
        ]
        ports = tuple(int(server.getsockname()[1]) for server in servers)
    yield ports
