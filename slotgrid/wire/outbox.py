"""The unsent messages of a link, and the frames that carry them; no I/O.

Small messages are joined into text frames. A larger message is sent in pieces between these
frames, so it delays only messages about the same task or ask.
"""

from collections import deque

import msgspec

from slotgrid.wire.encoding import encode
from slotgrid.wire.limits import CREDITS, FRAME_LIMIT, PIECE_BYTES
from slotgrid.wire.messages import DataHeader, PartHeader


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A WebSocket frame: lines of JSON as text, or a header and bytes as binary."""

    data: bytes
    text: bool


class _Large:
    """A message sent in pieces, after the first `turn` lines, which were put before it."""

    __slots__ = ("data", "position", "turn")

    def __init__(self, data: bytes, turn: int) -> None:
        self.data = data
        self.turn = turn
        self.position = 0  # bytes sent so far


class _Piece:
    """A whole piece of an answer; it also waits for the lines put before it."""

    __slots__ = ("data", "turn")

    def __init__(self, data: bytes, turn: int) -> None:
        self.data = data
        self.turn = turn


_Lane = deque[bytes | _Large | _Piece]


class Outbox:
    """Messages in, frames out; `backlog` counts the unsent bytes.

    A lane is the messages about one task or ask, in order. Credits limit how many of its messages
    and pieces are under way. Only a lane with a large message or data has a queue of its own.
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
        """Queue a message; the messages of a lane arrive in the order in which they were put."""
        self.backlog += len(message)
        if len(message) > FRAME_LIMIT:
            self._lane(lane).append(_Large(message, self._lines_put))
        elif self._lanes and (waiting := self._lanes.get(lane)) is not None:
            waiting.append(message)
        else:
            self._lines.append(message)
            self._lines_put += 1

    def put_data(self, header: DataHeader, body: bytes) -> None:
        """Queue a piece of an answer, PIECE_BYTES at most."""
        piece = encode(header) + b"\n" + body
        self.backlog += len(piece)
        self._lane(header.ask).append(_Piece(piece, self._lines_put))

    def credits(self, lane: str) -> int:
        """How many more messages or pieces of the lane may be under way."""
        return self._credits.get(lane, CREDITS)

    def spend(self, lane: str) -> None:
        """Use one credit of the lane."""
        self._credits[lane] = self._credits.get(lane, CREDITS) - 1

    def refund(self, lane: str, count: int) -> None:
        """Add credits that the peer returned, up to CREDITS."""
        left = self._credits.get(lane, CREDITS) + count
        if left >= CREDITS:
            self._credits.pop(lane, None)
        else:
            self._credits[lane] = left

    def forget(self, lane: str) -> None:
        """Drop the credits of an ended lane, unless it still has something to send."""
        if lane not in self._lanes:
            self._credits.pop(lane, None)

    @property
    def large_lanes(self) -> int:
        """How many lanes have an unsent large message or data."""
        return len(self._lanes)

    def next_frame(self) -> Frame | None:
        """The next frame; None when nothing may be sent now."""
        # Lines and pieces alternate, so that neither starves.
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
        """A text frame of as many lines as fit."""
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
        """A piece of the next lane, round-robin, that may send one now."""
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
        assert not isinstance(first, bytes)  # a line at the front goes to `_lines`, see below
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
