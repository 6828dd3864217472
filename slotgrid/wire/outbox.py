"""What waits to be sent on a link, and in which frames it goes; no I/O.

What waits is joined into text frames. A message too large for one goes in pieces between the
others, so it holds nobody up; only what is about the same task or ask waits behind it.
"""

from collections import deque

import msgspec

from slotgrid.wire.encoding import encode
from slotgrid.wire.limits import CREDITS, FRAME_LIMIT, PIECE_BYTES
from slotgrid.wire.messages import DataHeader, PartHeader


class Frame(msgspec.Struct, frozen=True, gc=False):
    """What goes over the WebSocket at once: lines of JSON as text, a header and bytes as binary."""

    data: bytes
    text: bool


class _Large:
    """A message that goes in pieces, once `turn` lines are sent: those that were put before it."""

    __slots__ = ("data", "position", "turn")

    def __init__(self, data: bytes, turn: int) -> None:
        self.data = data
        self.turn = turn
        self.position = 0  # how much of it is sent


class _Piece:
    """A piece of an answer, whole; it waits for the lines before it as well."""

    __slots__ = ("data", "turn")

    def __init__(self, data: bytes, turn: int) -> None:
        self.data = data
        self.turn = turn


_Lane = deque[bytes | _Large | _Piece]


class Outbox:
    """Messages in, frames out; `backlog` counts the bytes that wait.

    A lane is what is about one task or ask, and keeps its order. Credits bound how many of its
    messages and pieces are under way. Only a lane with a large message or data is held here.
    """

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._lines_put = 0
        self._lines_sent = 0
        self._lanes: dict[str, _Lane] = {}
        self._turns: deque[str] = deque()
        self._credits: dict[str, int] = {}
        self._lines_next = True
        self.backlog = 0

    def put(self, message: bytes, lane: str = "") -> None:
        """Let a message wait; those of a lane arrive in the order in which they were put."""
        self.backlog += len(message)
        if len(message) > FRAME_LIMIT:
            self._lane(lane).append(_Large(message, self._lines_put))
        elif self._lanes and (waiting := self._lanes.get(lane)) is not None:
            waiting.append(message)
        else:
            self._lines.append(message)
            self._lines_put += 1

    def put_data(self, header: DataHeader, body: bytes) -> None:
        """Let a piece of an answer wait, PIECE_BYTES at most."""
        piece = encode(header) + b"\n" + body
        self.backlog += len(piece)
        self._lane(header.ask).append(_Piece(piece, self._lines_put))

    def credits(self, lane: str) -> int:
        """How many more messages or pieces of the lane may be under way."""
        return self._credits.get(lane, CREDITS)

    def spend(self, lane: str) -> None:
        """One more is under way."""
        self._credits[lane] = self._credits.get(lane, CREDITS) - 1

    def refund(self, lane: str, count: int) -> None:
        """The peer has used up so many; it can give back no more than there were."""
        left = self._credits.get(lane, CREDITS) + count
        if left >= CREDITS:
            self._credits.pop(lane, None)
        else:
            self._credits[lane] = left

    def forget(self, lane: str) -> None:
        """Nothing more is put on the lane; what is owed to it will not come."""
        if lane not in self._lanes:
            self._credits.pop(lane, None)

    @property
    def large_lanes(self) -> int:
        """How many lanes have a large message or data that waits."""
        return len(self._lanes)

    def next_frame(self) -> Frame | None:
        """What to send next; None when nothing may be sent now."""
        # In turns, so that neither many lines nor a large message keeps the other waiting.
        if not self._turns:
            return self._joined()
        lines_first, self._lines_next = self._lines_next, not self._lines_next
        if lines_first:
            return self._joined() or self._from_lanes()
        return self._from_lanes() or self._joined()

    def _lane(self, lane: str) -> _Lane:
        waiting = self._lanes.get(lane)
        if waiting is None:
            waiting = self._lanes[lane] = deque()
            self._turns.append(lane)
        return waiting

    def _joined(self) -> Frame | None:
        """As many lines as a frame takes."""
        waiting = self._lines
        if not waiting:
            return None
        lines, room = [], FRAME_LIMIT
        while waiting and (left := room - len(waiting[0])) >= 0:
            lines.append(waiting.popleft())
            room = left - 1  # the line break
        self._lines_sent += len(lines)
        data = b"\n".join(lines)
        self.backlog -= len(data) - len(lines) + 1
        return Frame(data, text=True)

    def _from_lanes(self) -> Frame | None:
        """A piece of the first lane, in turns, that has one which may go now."""
        for _ in range(len(self._turns)):
            lane = self._turns.popleft()
            piece = self._piece_of(lane)
            if lane in self._lanes:
                self._turns.append(lane)
            if piece is not None:
                return Frame(piece, text=False)
        return None

    def _piece_of(self, lane: str) -> bytes | None:
        waiting = self._lanes[lane]
        first = waiting[0]
        assert not isinstance(first, bytes)  # lines leave as soon as they are first, see below
        if first.turn > self._lines_sent:
            return None
        if isinstance(first, _Piece):
            piece, ended = first.data, True
            self.backlog -= len(piece)
        elif self.credits(lane) > 0:
            self.spend(lane)
            body = first.data[first.position : first.position + PIECE_BYTES]
            first.position += len(body)
            self.backlog -= len(body)
            ended = first.position == len(first.data)
            piece = encode(PartHeader(id=lane, last=ended)) + b"\n" + body
        else:
            return None
        if ended:
            waiting.popleft()
            while waiting and isinstance(line := waiting[0], bytes):
                self._lines.append(line)
                self._lines_put += 1
                waiting.popleft()
            if not waiting:
                del self._lanes[lane]
        return piece
