"""Requests to a worker other than tasks: a file, its log, its switches."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from slotgrid.wire.encoding import ProtocolFault
from slotgrid.wire.limits import CREDITS, GRANT_EVERY
from slotgrid.wire.link import Link
from slotgrid.wire.messages import Data, FromWorker, Reply

REPLY_WITHIN_S = 10.0


class WorkerGone(Exception):
    """The link was lost, or the worker does not answer."""


class WorkerRequest:
    """One `ask` and its answer: a reply, then optionally pieces of bytes.

    Backpressure: the worker gets credits back only as the caller takes pieces.
    """

    def __init__(self, id: str, link: Link[FromWorker]) -> None:  # noqa: A002  the protocol's word
        self.id = id
        self._link = link
        self._reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._pieces: deque[bytes] = deque()
        self._news: asyncio.Future[None] | None = None
        self._owed = 0
        self._lost = False
        self.complete = False
        """Whether the last message of the answer has arrived."""

    def answered(self, reply: Reply) -> None:
        """Store the reply."""
        self.complete = reply.last
        if not self._reply.done():
            self._reply.set_result(reply)

    def add(self, piece: Data) -> None:
        """Queue a piece. Raises ProtocolFault if the worker exceeds its credits."""
        self._pieces.append(piece.body)
        # The last piece, which may be empty, needs no credit.
        if len(self._pieces) + self._owed > CREDITS + 1:
            raise ProtocolFault("the answer exceeds its credits")
        self.complete = self.complete or piece.last
        self._notify()

    def lost(self) -> None:
        """The link is down: fail the reply, if it is missing, and end the pieces."""
        self._lost = True
        if not self._reply.done():
            self._reply.set_exception(WorkerGone("its link was lost"))
            self._reply.exception()  # marked as retrieved, else asyncio logs it if no caller waits
        self._notify()

    async def reply(self) -> Reply:
        """The worker's reply, within REPLY_WITHIN_S. Raises WorkerGone."""
        try:
            async with asyncio.timeout(REPLY_WITHIN_S):
                return await asyncio.shield(self._reply)
        except TimeoutError:
            raise WorkerGone(f"it did not answer within {REPLY_WITHIN_S:g} s") from None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes after the reply, as they arrive. Raises WorkerGone if the link breaks."""
        while True:
            while self._pieces:
                yield self._pieces.popleft()
                self._owed += 1
                if self._owed >= GRANT_EVERY:
                    self._link.grant(self.id, self._owed)
                    self._owed = 0
            if self.complete:
                return
            if self._lost:
                raise WorkerGone("its link was lost")
            self._news = asyncio.get_running_loop().create_future()
            await self._news

    def _notify(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
