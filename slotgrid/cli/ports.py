"""Ports of this machine: whether a port is free, and which process uses it."""

import errno
import os
import socket
from contextlib import ExitStack, suppress
from types import TracebackType

import psutil

from slotgrid.runtime.exposure import is_every_ipv6


class PortRefused(Exception):
    """The port cannot be used; the text is the reason, `by` the process that uses it, if any."""

    def __init__(self, why: str, *, by: str = "") -> None:
        super().__init__(f"{why}, by {by}" if by else why)
        self.by = by

    @property
    def taken(self) -> bool:
        """Whether the port would be free if another process ended."""
        return bool(self.by)


class Ports:
    """Holds every port that it has tried, so that two nodes of a fleet cannot get the same."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._names: dict[int, str] = {}

    def __enter__(self) -> "Ports":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._held.close()

    def hold(self, host: str, port: int, *, name: str) -> int:
        """The port, or a free one for 0; `name` is its user, for errors. Raises PortRefused."""
        try:
            server = self._held.enter_context(_listen(host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            # `create_server` adds the address to its text, so errno's text is used, except for
            # names that are not found.
            number = None if isinstance(error, socket.gaierror) else error.errno
            why = str(error.strerror) if number is None else os.strerror(number)
            by = (self._names.get(port) or listener(port)) if taken else ""
            raise PortRefused(why, by=by) from error
        port = int(server.getsockname()[1])
        self._names[port] = name
        return port


def is_listening(host: str, port: int) -> bool:
    """Whether a process accepts connections there, within a second."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def listener(port: int) -> str:
    """The process that listens on a port, as far as this user may see."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            here = connection.laddr and connection.laddr.port == port
            if here and connection.status == psutil.CONN_LISTEN and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return "another process"


def _listen(host: str, port: int) -> socket.socket:
    if ":" not in host:
        return socket.create_server((host, port))
    # A node with HOST=:: listens on IPv4 as well.
    both = is_every_ipv6(host) and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=both)
