"""The seam of a traffic guard: a forward proxy of its own for each browser context."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from worker.browser.errors import ContextOptionsRefused


class ContextProxy(Protocol):
    """A forward proxy on a listening port for one context: the port identifies the context.

    It has no task until the first `bind`: the context may be a spare.
    """

    @property
    def server(self) -> str:
        """The proxy for the context, `http://127.0.0.1:PORT`."""

    def bind(self, task_id: str) -> None:
        """Cut the connections of an earlier task; later ones belong to `task_id`."""

    def close(self) -> None:
        """Cut every connection and free the port. Does not raise."""


OpenProxy = Callable[[], Awaitable[ContextProxy]]
"""Opens the proxy of a new context. Raises OSError if no port can be opened."""


def proxied(options: Mapping[str, Any], proxy: ContextProxy) -> dict[str, Any]:
    """`options` of a new context, with its proxy.

    Raises ContextOptionsRefused for a `proxy` among them, which would lead round ours.
    """
    if "proxy" in options:
        raise ContextOptionsRefused("this worker sends all traffic through a proxy of its own")
    return {**options, "proxy": {"server": proxy.server}}
