"""Questions to a worker that are no tasks: a file, its log, its switches."""

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


class Question:
    """One `ask`, and what comes back: a reply, and perhaps pieces of bytes behind it.

    Pieces that nobody has taken bound what the worker sends: it gets its credits back only as
    they are.
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
        """Whether the worker has said its last word."""

    def answered(self, reply: Reply) -> None:
        """The reply has come."""
        self.complete = reply.last
        if not self._reply.done():
            self._reply.set_result(reply)

    def add(self, piece: Data) -> None:
        """A piece has come. Raises ProtocolFault when there was no credit for it."""
        self._pieces.append(piece.body)
        # The last one, which may be empty, goes without.
        if len(self._pieces) + self._owed > CREDITS + 1:
            raise ProtocolFault("more pieces of an answer than there were credits for")
        self.complete = self.complete or piece.last
        self._tell()

    def lost(self) -> None:
        """Nothing more will come."""
        self._lost = True
        if not self._reply.done():
            self._reply.set_exception(WorkerGone("its link was lost"))
            self._reply.exception()  # whoever waited has been told; nobody else has to be
        self._tell()

    async def reply(self) -> Reply:
        """The worker's answer. Raises WorkerGone."""
        try:
            async with asyncio.timeout(REPLY_WITHIN_S):
                return await asyncio.shield(self._reply)
        except TimeoutError:
            raise WorkerGone(f"it has not answered within {REPLY_WITHIN_S:g} s") from None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes behind the reply, as they come. Raises WorkerGone when they break off."""
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

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
