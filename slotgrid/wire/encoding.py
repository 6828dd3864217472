"""Encodes messages as lines of JSON, each without a line break inside, and decodes them."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, get_args

import msgspec

from slotgrid.wire.messages import FromBalancer, FromWorker, Message

M = TypeVar("M")


class ProtocolFault(ValueError):
    """The peer violated the protocol; the text describes how, in one sentence."""


class _Typed(msgspec.Struct):
    """A message of any type."""

    type: str


class Reader(Generic[M]):
    """Decodes the messages of one direction. Messages of an unknown type are left out."""

    def __init__(self, messages: object) -> None:
        self._decoder: msgspec.json.Decoder[M] = msgspec.json.Decoder(messages)
        self._typed = msgspec.json.Decoder(_Typed)
        self._known = frozenset(str(part.__struct_config__.tag) for part in get_args(messages))

    def lines(self, frame: bytes) -> list[M]:
        """The messages of a frame. Raises ProtocolFault."""
        try:
            return self._decoder.decode_lines(frame)
        except (msgspec.DecodeError, RecursionError):
            # A message is of a later version, or invalid: decode them one by one.
            return [*self._known_ones(frame.split(b"\n"))]

    def one(self, message: bytes | bytearray) -> M | None:
        """One message; None when its type is unknown. Raises ProtocolFault."""
        return next(self._known_ones([message]), None)

    def _known_ones(self, lines: list[bytes] | list[bytes | bytearray]) -> Iterator[M]:
        for line in lines:
            if not line:
                continue
            try:
                yield self._decoder.decode(line)
            except (msgspec.DecodeError, RecursionError) as cause:
                if self._type(line) in self._known:
                    raise ProtocolFault(f"cannot be read: {cause}") from cause

    def _type(self, line: bytes | bytearray) -> str:
        try:
            return self._typed.decode(line).type
        except (msgspec.DecodeError, RecursionError) as cause:
            raise ProtocolFault(f"no message: {cause}") from cause


def from_worker() -> Reader[FromWorker]:
    """A reader of workers' messages."""
    return Reader(FromWorker)


def from_balancer() -> Reader[FromBalancer]:
    """A reader of balancers' messages."""
    return Reader(FromBalancer)


def same_major(protocol: str, ours: str) -> bool:
    """Whether two versions of the protocol are compatible."""
    return protocol.partition(".")[0] == ours.partition(".")[0]


def knows(protocol: str, minor: int) -> bool:
    """Whether a peer of the same major version has the additions of that minor version."""
    spoken = protocol.partition(".")[2]
    return spoken.isdecimal() and int(spoken) >= minor


def _plain(value: object) -> object:
    """The encoder's hook for types without a JSON form: immutable mappings become dicts."""
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


encode = msgspec.json.Encoder(enc_hook=_plain).encode
"""A message as JSON bytes."""


def known_messages() -> tuple[type[Message], ...]:
    """Every type of message that is sent as a line, each once."""
    return tuple(dict.fromkeys((*get_args(FromWorker), *get_args(FromBalancer))))
