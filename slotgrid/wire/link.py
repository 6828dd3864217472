"""One WebSocket between a balancer and a worker, for any number of tasks at the same time.

The link transports messages and does not interpret them. Sending never waits: one asyncio task
writes, another one reads, and a timer sends heartbeats and detects a silent peer.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import structlog
from aiohttp import WebSocketError, WSMsgType

from slotgrid.wire.encoding import ProtocolFault, Reader, encode
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
from slotgrid.wire.link_ending import CloseCode, LinkEnding, close_payload
from slotgrid.wire.messages import Credit, Data, DataHeader, Heartbeat, Message
from slotgrid.wire.outbox import Outbox

M = TypeVar("M")
TICKS_PER_HEARTBEAT = round(HEARTBEAT_S / TICK_S)

log = structlog.get_logger()


class Received(Protocol):
    """A frame, as aiohttp's `receive` returns it."""

    @property
    def type(self) -> WSMsgType:
        """The kind of frame, or how the WebSocket ended."""

    @property
    def data(self) -> Any:
        """The bytes, the close code, or an error."""

    @property
    def extra(self) -> Any:
        """The reason of a close frame."""


class WebSocket(Protocol):
    """The methods that a link uses of aiohttp's WebSockets, client and server."""

    async def receive(self) -> Received:
        """The next frame, or how the WebSocket ended."""

    async def send_frame(self, message: bytes, opcode: WSMsgType) -> None:
        """Send a frame; waits while the peer does not read."""

    async def close(self) -> bool:
        """Release the connection."""


class MessageTooLarge(ValueError):
    """A message above MESSAGE_LIMIT is not sent, since the peer would close the link."""


class Link(Generic[M]):
    """One end of the link. `M` is the type of the messages that the peer sends.

    `cut` closes the connection at once and drops unsent bytes. A lane, named by the id of a task or
    ask, keeps its order, and its credits limit the messages under way: check `credits` first, and
    `spend` one for each event, log line and piece of data; the peer returns them with `grant`.
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
        """Address of the other end, for logs."""
        self.heard_at = time.monotonic()
        """When the peer last sent anything, on the monotonic clock."""
        self.ending: LinkEnding | None = None
        """How the link ended; None while it lasts."""

    @property
    def silent_s(self) -> float:
        """Seconds of silence from the peer while this process could receive.

        Counted in ticks, as for `SILENT_TICKS`: a blocked process does not receive.
        """
        return 0.0 if self._heard else self._silent_ticks * TICK_S

    # ---- sending: these methods never wait, and send nothing after the end ----

    def send(self, message: Message, lane: str = "") -> None:
        """Send a message after the earlier ones of its lane. Raises MessageTooLarge."""
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
        """Use one credit of the lane, for a message that needs one."""
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
        """Return `count` credits of the lane to the peer: so many messages were processed here."""
        self.send(Credit(id=lane, count=count))

    def forget(self, lane: str) -> None:
        """Drop the state of a lane whose task or ask has ended."""
        self._outbox.forget(lane)
        self._room_waiters.pop(lane, None)

    def close(self, code: CloseCode, reason: str) -> None:
        """End the link; unsent messages are still sent if the peer reads them within CLOSE_S."""
        self._end(LinkEnding(code, reason))

    # ---- the life of the link ----

    async def run(self, receive: Callable[[M | Data], None]) -> LinkEnding:
        """Carry messages until the link ends; `receive` is called with each, and must not block.

        Cancellation closes the link with GOING_AWAY.
        """
        loop = asyncio.get_running_loop()
        writer = loop.create_task(self._write(), name=f"link writer {self.peer}")
        self._timer = loop.call_later(TICK_S, self._tick)
        try:
            await self._read(receive)
        except asyncio.CancelledError:
            self._end(LinkEnding(CloseCode.GOING_AWAY, "the node has ended the link"))
            raise
        finally:
            self._timer.cancel()
            await self._finish(writer)
            if self._cut_timer is not None:
                self._cut_timer.cancel()
        assert self.ending is not None
        return self.ending

    async def _read(self, receive: Callable[[M | Data], None]) -> None:
        # Reads on after our own end: unsent messages may need credits from the peer.
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
                self._end(LinkEnding(CloseCode.PROTOCOL, str(fault)))
            except Exception:  # the edge of the loop: a defect in `receive`
                log.exception("link.defect", peer=self.peer)
                self._end(LinkEnding(CloseCode.DEFECT, "the node failed on a message"))

    def _deliver(self, message: M | Data, receive: Callable[[M | Data], None]) -> None:
        # `type`, since `isinstance` is slow for objects of other types.
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
            # Not the socket's own `close`, which stops reading: if the peer still sends, the
            # connection is reset, and this frame with its reason is lost.
            goodbye = close_payload(self.ending.code, self.ending.reason)
            await socket.send_frame(goodbye, WSMsgType.CLOSE)
        except ConnectionError:
            pass  # the reader gets the same error, and ends the link

    async def _finish(self, writer: "asyncio.Task[None]") -> None:
        """End the writer and the connection; a cancelled link still sends its close frame."""
        try:
            if self.ending is not None and not self.ending.by_peer:
                await asyncio.wait({writer}, timeout=CLOSE_S)
        finally:
            writer.cancel()
            self._cut()
        await asyncio.wait({writer})
        await self._socket.close()  # the connection is cut; this releases aiohttp's part

    def _tick(self) -> None:
        """Each TICK_S: detect a silent peer, and send a heartbeat when due."""
        self._ticks += 1
        self._signs = 0
        if self._heard:
            self._heard, self._silent_ticks = False, 0
            self.heard_at = time.monotonic()
        else:
            self._silent_ticks += 1
        if self._silent_ticks >= SILENT_TICKS:
            self._lose(CloseCode.SILENT, f"no message for {SILENT_TICKS * TICK_S:g} s")
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
            self._lose(
                CloseCode.BACKLOG, f"{BACKLOG_LIMIT} bytes are unsent, as the peer does not read"
            )

    def _wake_writer(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)

    def _end(self, ending: LinkEnding) -> None:
        if self.ending is not None:
            return
        self.ending = ending
        self._wake_writer()
        if not ending.by_peer:  # a peer that does not read delays the close frame, up to CLOSE_S
            self._cut_timer = asyncio.get_running_loop().call_later(CLOSE_S, self._cut)

    def _lose(self, code: CloseCode, reason: str) -> None:
        """Cut the connection to an unresponsive peer, without a close frame."""
        self._end(LinkEnding(code, reason, by_peer=True))
        self._cut()


def _ending_of(frame: Received) -> LinkEnding:
    """How the WebSocket ended, from the last result of `receive`."""
    if frame.type is WSMsgType.CLOSE:
        return LinkEnding(frame.data or CloseCode.NORMAL, frame.extra or "no reason given", True)
    if isinstance(frame.data, WebSocketError):
        return LinkEnding(frame.data.code, str(frame.data))
    return LinkEnding(CloseCode.CUT, "the connection was cut", by_peer=True)
