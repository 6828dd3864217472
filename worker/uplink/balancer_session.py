"""One link to one balancer, from `hello` to its end: dispatches the balancer's messages."""

import asyncio
from collections.abc import Callable

from slotgrid.wire.encoding import ProtocolFault, same_major
from slotgrid.wire.limits import HANDSHAKE_S
from slotgrid.wire.link import Link
from slotgrid.wire.link_ending import CloseCode
from slotgrid.wire.messages import (
    PROTOCOL,
    Ask,
    Cancel,
    Credit,
    Data,
    FromBalancer,
    Rejected,
    StopAsking,
    TaskMessage,
    Welcome,
)
from worker.uplink.balancer_requests import BalancerRequests, RequestHandlers
from worker.uplink.relay import BalancerLink
from worker.uplink.remote_tasks import RemoteTasks

Welcomed = Callable[[Welcome, Link[FromBalancer]], BalancerLink]


class BalancerSession:
    """The worker's side of one link.

    `balancer` is None until the `welcome` message; `welcomed` is then called and returns it.
    """

    def __init__(
        self,
        link: Link[FromBalancer],
        tasks: RemoteTasks,
        answers: RequestHandlers,
        welcomed: Welcomed,
    ) -> None:
        self.link = link
        self.balancer: BalancerLink | None = None
        self._tasks = tasks
        self._handlers = answers
        self._welcomed = welcomed
        self._requests: BalancerRequests | None = None
        self._handshake = asyncio.get_running_loop().call_later(
            HANDSHAKE_S, link.close, CloseCode.HANDSHAKE, f"no welcome within {HANDSHAKE_S:g} s"
        )

    def receive(self, message: FromBalancer | Data) -> None:
        """Handle a message of the balancer. Raises ProtocolFault for an illegal one."""
        if self.balancer is None or self._requests is None:
            self._accept_welcome(message)
        elif isinstance(message, TaskMessage):
            self._tasks.offered(message, self.balancer)
        elif isinstance(message, Credit):
            self._tasks.credited(message.id)
            self._requests.credited(message.id)
        elif isinstance(message, Cancel):
            self._tasks.cancel(message.id, message.reason)
        elif isinstance(message, Ask):
            self._requests.handle(message)
        elif isinstance(message, StopAsking):
            self._requests.stop(message.ask)
        elif isinstance(message, Welcome):
            raise ProtocolFault("a second welcome")

    async def end(self) -> None:
        """Clean up after the link's end."""
        self._handshake.cancel()
        if self._requests is not None:
            await self._requests.end()

    def _accept_welcome(self, message: FromBalancer | Data) -> None:
        if isinstance(message, Credit):
            return  # for the pieces of a large `hello`; the link has taken it
        if isinstance(message, Rejected):
            self.link.close(CloseCode.REJECTED, message.reason)
            return
        if not isinstance(message, Welcome):
            raise ProtocolFault("the first message must be `welcome` or `rejected`")
        self._handshake.cancel()
        if not same_major(message.protocol, PROTOCOL):
            reason = f"this worker speaks protocol {PROTOCOL}, not {message.protocol}"
            self.link.close(CloseCode.REJECTED, reason)
            return
        self._requests = BalancerRequests(self._handlers, self.link, message.name)
        self.balancer = self._welcomed(message, self.link)
