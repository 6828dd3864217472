"""One WebSocket between a balancer and a worker, for any number of tasks at the same time.

It knows how messages travel, not what they mean. Nobody who sends ever waits: one asyncio task
writes, one reads, and a timer says that we are still here and notices when the peer is not.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import structlog
from aiohttp import WebSocketError, WSMsgType

from slotgrid.wire.encoding import ProtocolFault, Reader, encode
from slotgrid.wire.ending import CloseCode, Ending, close_payload
from slotgrid.wire.inbox import Inbox
from slotgrid.wire.limits import (
    BACKLOG_LIMIT,
    CLOSE_S,
    FRAME_LIMIT,
    HEARTBEAT_S,
    LARGE_LANES,
    LINES_AT_ONCE,
    MESSAGE_LIMIT,
    SEND_AHEAD,
    SIGNS_LIMIT,
    SILENT_TICKS,
    TICK_S,
)
from slotgrid.wire.messages import Credit, Data, DataHeader, Heartbeat, Message
from slotgrid.wire.outbox import Outbox

M = TypeVar("M")
TICKS_PER_HEARTBEAT = round(HEARTBEAT_S / TICK_S)

log = structlog.get_logger()


class Received(Protocol):
    """What aiohttp receives, of whichever of its types."""

    @property
    def type(self) -> WSMsgType:
        """What kind of frame it is, or how the WebSocket ended."""

    @property
    def data(self) -> Any:
        """The bytes; or the close code, or an error."""

    @property
    def extra(self) -> Any:
        """The reason of a close frame."""


class WebSocket(Protocol):
    """What a link needs of aiohttp's WebSocket, the client's and the server's alike."""

    async def receive(self) -> Received:
        """The next frame, or how it ended."""

    async def send_frame(self, message: bytes, opcode: WSMsgType) -> None:
        """Send a frame; waits while the peer does not read."""

    async def close(self) -> bool:
        """Let go of the connection."""


class MessageTooLarge(ValueError):
    """A message is above MESSAGE_LIMIT: the link would be closed for it, so it is not sent."""


class Link(Generic[M]):
    """One end of the link. `M` are the messages that the peer sends.

    `cut` ends the connection at once, whatever waits. A lane, named by the id of a task or ask,
    keeps its order, and its credits bound what is under way: ask `credits` before, and `spend`
    one for each event, log line and piece of data; the peer gives them back with `grant`.
    """

    def __init__(
        self, socket: WebSocket, reader: Reader[M], *, cut: Callable[[], None], peer: str
    ) -> None:
        self._socket = socket
        self._inbox = Inbox(reader)
        self._outbox = Outbox()
        self._cut = cut
        self._wake: asyncio.Future[None] | None = None
        self._heard = True
        self._silent_ticks = 0
        self._ticks = 0
        self._signs = 0
        self._sent = False
        self._room_waiters: dict[str, Callable[[], None]] = {}
        self._cut_timer: asyncio.TimerHandle | None = None
        self.peer = peer
        """Where the other end is, for logs."""
        self.heard_at = time.monotonic()
        """When the peer last sent anything, on the monotonic clock."""
        self.ending: Ending | None = None
        """How the link ended; None while it lasts."""

    @property
    def silent_s(self) -> float:
        """Seconds for which we listened and heard nothing.

        Counted and not measured, as in `SILENT_TICKS`: while this process stood still it did not
        listen.
        """
        return 0.0 if self._heard else self._silent_ticks * TICK_S

    # ---- sending: none of these waits, and after the end they do nothing ----

    def send(self, message: Message, lane: str = "") -> None:
        """Send a message after those put on the same lane before. Raises MessageTooLarge."""
        if self.ending is not None:
            return
        line = encode(message)
        if len(line) > MESSAGE_LIMIT:
            raise MessageTooLarge(f"{len(line)} bytes; a link carries {MESSAGE_LIMIT}")
        self._outbox.put(line, lane)
        self._put()

    def send_data(self, ask: str, body: bytes, *, last: bool) -> None:
        """Send a piece of an answer, PIECE_BYTES at most; spends a credit."""
        if self.ending is not None:
            return
        self._outbox.spend(ask)
        self._outbox.put_data(DataHeader(ask=ask, last=last), body)
        self._put()

    def credits(self, lane: str) -> int:
        """How many more messages or pieces of the lane may be under way."""
        return self._outbox.credits(lane)

    def spend(self, lane: str) -> None:
        """A message that asks for a credit is sent."""
        self._outbox.spend(lane)

    def has_room(self, size: int) -> bool:
        """Whether a message of `size` bytes may be sent now, or has to wait for `when_room`.

        Small messages always have room: their number is bounded by credits.
        """
        return size <= FRAME_LIMIT or self._may_send_large()

    def when_room(self, lane: str, call: Callable[[], None]) -> None:
        """Call back once when large messages have room; one callback for each lane."""
        self._room_waiters[lane] = call

    def grant(self, lane: str, count: int) -> None:
        """So many messages of the lane have been used up here; the peer may send as many more."""
        self.send(Credit(id=lane, count=count))

    def forget(self, lane: str) -> None:
        """The task or ask of that lane has ended."""
        self._outbox.forget(lane)
        self._room_waiters.pop(lane, None)

    def close(self, code: CloseCode, reason: str) -> None:
        """End the link, after what waits has been sent if the peer reads it within CLOSE_S."""
        self._end(Ending(code, reason))

    # ---- the life of the link ----

    async def run(self, receive: Callable[[M | Data], None]) -> Ending:
        """Carry messages until the link ends; `receive` gets each and must not block.

        A cancelled link says that it is going away.
        """
        loop = asyncio.get_running_loop()
        writer = loop.create_task(self._write(), name=f"link writer {self.peer}")
        self._timer = loop.call_later(TICK_S, self._tick)
        try:
            await self._read(receive)
        except asyncio.CancelledError:
            self._end(Ending(CloseCode.GOING_AWAY, "the node has ended the link"))
            raise
        finally:
            self._timer.cancel()
            await self._finish(writer)
            if self._cut_timer is not None:
                self._cut_timer.cancel()
        assert self.ending is not None
        return self.ending

    async def _read(self, receive: Callable[[M | Data], None]) -> None:
        # After our own goodbye too: what still has to be sent may wait for credits.
        while True:
            frame = await self._socket.receive()
            self._heard = True
            try:
                if frame.type is WSMsgType.TEXT:
                    for number, message in enumerate(self._inbox.lines(frame.data), 1):
                        self._deliver(message, receive)
                        if number % LINES_AT_ONCE == 0:
                            await asyncio.sleep(0)
                elif frame.type is WSMsgType.BINARY:
                    self._take_piece(frame.data, receive)
                else:
                    self._end(_ending_of(frame))
                    return
            except ProtocolFault as fault:
                self._end(Ending(CloseCode.PROTOCOL, str(fault)))
            except Exception:  # the edge of the loop: a defect in what `receive` does with it
                log.exception("link.defect", peer=self.peer)
                self._end(Ending(CloseCode.DEFECT, "the node failed on a message"))

    def _deliver(self, message: M | Data, receive: Callable[[M | Data], None]) -> None:
        # By type, as `isinstance` goes a long way round for what is not of that type.
        if type(message) is Heartbeat:
            self._count_sign()
            return
        if type(message) is Credit:
            self._count_sign()
            self._outbox.refund(message.id, message.count)
            self._wake_writer()
        if self.ending is None:
            receive(message)

    def _count_sign(self) -> None:
        self._signs += 1
        if self._signs > SIGNS_LIMIT:
            raise ProtocolFault(f"more than {SIGNS_LIMIT} heartbeats and credits in {TICK_S:g} s")

    def _take_piece(self, frame: bytes, receive: Callable[[M | Data], None]) -> None:
        message = self._inbox.piece(frame)
        for lane, count in self._inbox.take_granted().items():
            self.grant(lane, count)
        if message is not None:
            self._deliver(message, receive)

    async def _write(self) -> None:
        loop, socket, outbox = asyncio.get_running_loop(), self._socket, self._outbox
        try:
            while True:
                frame = outbox.next_frame()
                if frame is not None:
                    self._sent = True
                    kind = WSMsgType.TEXT if frame.text else WSMsgType.BINARY
                    await socket.send_frame(frame.data, kind)
                    if self._room_waiters and self._may_send_large():
                        self._call_room_waiters()
                elif self.ending is not None and not outbox.backlog:
                    break
                else:
                    self._wake = loop.create_future()
                    await self._wake
            # Not by the socket's own `close`, which stops reading: what the peer still sends would
            # have the network drop this frame, and the reason with it.
            goodbye = close_payload(self.ending.code, self.ending.reason)
            await socket.send_frame(goodbye, WSMsgType.CLOSE)
        except ConnectionError:
            pass  # the reader is told the same, and says so

    async def _finish(self, writer: "asyncio.Task[None]") -> None:
        """End the writer and the connection; one that was cancelled still says goodbye."""
        try:
            if self.ending is not None and not self.ending.by_peer:
                await asyncio.wait({writer}, timeout=CLOSE_S)
        finally:
            writer.cancel()
            self._cut()
        await asyncio.wait({writer})
        await self._socket.close()  # of a connection that is cut: aiohttp lets go of it

    def _tick(self) -> None:
        """Each TICK_S: notice a silent peer, and say that we are still here."""
        self._ticks += 1
        self._signs = 0
        if self._heard:
            self._heard, self._silent_ticks = False, 0
            self.heard_at = time.monotonic()
        else:
            self._silent_ticks += 1
        if self._silent_ticks >= SILENT_TICKS:
            self._lose(CloseCode.SILENT, f"not a word for {SILENT_TICKS * TICK_S:g} s")
            return
        if self._ticks % TICKS_PER_HEARTBEAT == 0:
            if not self._sent:
                self.send(Heartbeat())
            self._sent = False
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _may_send_large(self) -> bool:
        return self._outbox.backlog <= SEND_AHEAD and self._outbox.large_lanes < LARGE_LANES

    def _call_room_waiters(self) -> None:
        waiters, self._room_waiters = self._room_waiters, {}
        for call in waiters.values():
            call()

    def _put(self) -> None:
        if self._wake is not None:
            self._wake_writer()
        if self._outbox.backlog > BACKLOG_LIMIT:
            self._lose(CloseCode.BACKLOG, f"{BACKLOG_LIMIT} bytes wait, and the peer does not read")

    def _wake_writer(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)

    def _end(self, ending: Ending) -> None:
        if self.ending is not None:
            return
        self.ending = ending
        self._wake_writer()
        if not ending.by_peer:  # a peer that does not read holds up the goodbye, but not for long
            self._cut_timer = asyncio.get_running_loop().call_later(CLOSE_S, self._cut)

    def _lose(self, code: CloseCode, reason: str) -> None:
        """Give the peer up: it would not listen to a goodbye."""
        self._end(Ending(code, reason, by_peer=True))
        self._cut()


def _ending_of(frame: Received) -> Ending:
    """How the WebSocket ended, by what took the place of a frame."""
    if frame.type is WSMsgType.CLOSE:
        return Ending(frame.data or CloseCode.NORMAL, frame.extra or "no reason given", True)
    if isinstance(frame.data, WebSocketError):
        return Ending(frame.data.code, str(frame.data))
    return Ending(CloseCode.CUT, "the connection was cut", by_peer=True)
