"""The seam of a traffic guard: a forward proxy of its own for each browser context."""

from collections.abc import Mapping
from typing import Protocol

from slotgrid.core.task_parts import Traffic


class ProxyOwner(Protocol):
    """The task that uses a proxy."""

    @property
    def task_id(self) -> str:
        """The task's UUIDv7."""

    def allows(self, host: str, port: int) -> bool:
        """Whether the task may reach this target at any address."""

    def target_refused(self, sentence: str) -> None:
        """A target was refused; called once for each host and rule."""

    def traffic_exceeded(self, limit: int) -> None:
        """The task has moved more than `limit` bytes; its connections are cut."""


class ContextProxy(Protocol):
    """A forward proxy on a listening port for one context: the port identifies the context.

    It has no task until the first `bind`: the context may be a spare.
    """

    @property
    def server(self) -> str:
        """The proxy for the context, `http://127.0.0.1:PORT`."""

    @property
    def traffic(self) -> Traffic:
        """What the task has moved since its `bind`."""

    def refused_navigation(self, *, failed: bool) -> str | None:
        """Why the task's first navigation was refused, as a sentence; None if it was not.

        The purpose of a tunnel is unknown: it counts if the function `failed`.
        """

    def bind(self, owner: ProxyOwner) -> None:
        """Cut the connections of an earlier task; later ones belong to `owner`."""

    def unbind(self) -> None:
        """Cut every connection; later ones belong to no task."""

    def close(self) -> None:
        """Cut every connection and free the port. Does not raise."""


class TrafficGuard(Protocol):
    """Makes the proxies of a browser's contexts, and has one for all other traffic."""

    @property
    def server(self) -> str:
        """The proxy of a browser's own requests, and of contexts that a function opens itself."""

    async def open(
        self, upstream: Mapping[str, str] | None = None, *, trusted: bool = False
    ) -> ContextProxy:
        """The proxy of a new context; `upstream` is one that its traffic goes through.

        `upstream` is as in Playwright's `new_context`; it may be at any address if it is
        `trusted`, the operator's. Raises ContextOptionsRefused if it cannot be
        used, OSError if no port can be opened.
        """
