"""Frames in, messages out: reassembles large messages from their pieces; no I/O."""

from typing import Generic, TypeVar

import msgspec

from slotgrid.wire.encoding import ProtocolFault, Reader
from slotgrid.wire.limits import (
    ASSEMBLY_LIMIT,
    ASSEMBLY_MOST,
    CREDITS,
    GRANT_EVERY,
    MESSAGE_LIMIT,
    SELF_LIMIT,
)
from slotgrid.wire.messages import Data, DataHeader, PartHeader

M = TypeVar("M")

_HEADER = msgspec.json.Decoder(PartHeader | DataHeader)


class _Unfinished:
    """The pieces of a message so far, and the number of credits not yet returned for them."""

    __slots__ = ("data", "owed")

    def __init__(self) -> None:
        self.data = bytearray()
        self.owed = 0


class Inbox(Generic[M]):
    """Reads the frames of a peer; `take_granted` has the credits to return to it.

    Above ASSEMBLY_LIMIT only the oldest unfinished message gets credits, so memory is bounded and
    every message completes in the end.
    """

    def __init__(self, reader: Reader[M]) -> None:
        self._reader = reader
        self._unfinished: dict[str, _Unfinished] = {}
        self._size = 0
        self._granted: dict[str, int] = {}

    def lines(self, frame: bytes) -> list[M]:
        """The messages of a text frame. Raises ProtocolFault."""
        return self._reader.lines(frame)

    def piece(self, frame: bytes) -> M | Data | None:
        """The message or data that a binary frame completes, if any. Raises ProtocolFault."""
        end = frame.find(b"\n")
        try:
            header = _HEADER.decode(frame[:end] if end >= 0 else frame)
        except (msgspec.DecodeError, RecursionError) as cause:
            raise ProtocolFault(f"no header of a binary frame: {cause}") from cause
        body = frame[end + 1 :] if end >= 0 else b""
        if isinstance(header, DataHeader):
            return Data(header.ask, body, header.last)
        return self._part(header, body)

    def take_granted(self) -> dict[str, int]:
        """Take the credits to return to the peer now, by lane."""
        granted, self._granted = self._granted, {}
        return granted

    def _part(self, header: PartHeader, body: bytes) -> M | None:
        lane = header.id
        message = self._unfinished.get(lane)
        if message is None:
            message = self._unfinished[lane] = _Unfinished()
        message.data += body
        message.owed += 1
        self._size += len(body)
        limit = MESSAGE_LIMIT if lane else SELF_LIMIT
        if len(message.data) > limit:
            about = "" if lane else " about no task and no request"
            raise ProtocolFault(f"a message{about} is larger than {limit} bytes")
        if self._size > ASSEMBLY_MOST:
            raise ProtocolFault(f"more than {ASSEMBLY_MOST} bytes of unfinished messages")
        if message.owed > CREDITS:
            raise ProtocolFault("the pieces of a message exceed its credits")
        if not header.last:
            self._grant(lane, message, at_least=GRANT_EVERY)
            return None
        del self._unfinished[lane]
        self._size -= len(message.data)
        self._granted[lane] = self._granted.get(lane, 0) + message.owed
        for other, waiting in self._unfinished.items():
            self._grant(other, waiting, at_least=GRANT_EVERY)
        whole = self._reader.one(message.data)
        if whole is not None and _lane_of(whole) != lane:
            raise ProtocolFault("the pieces of a message lack the id of their task or request")
        return whole

    def _grant(self, lane: str, message: _Unfinished, *, at_least: int) -> None:
        if message.owed < at_least:
            return
        if self._size > ASSEMBLY_LIMIT and next(iter(self._unfinished)) != lane:
            return
        self._granted[lane] = self._granted.get(lane, 0) + message.owed
        message.owed = 0


def _lane_of(message: object) -> str:
    """The id of the task or ask that a message is about; empty if there is none."""
    return str(getattr(message, "id", getattr(message, "ask", "")))
