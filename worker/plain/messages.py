"""The messages between a worker and the child process of a plain function.

Frames on a socket pair: four bytes of length (big-endian), then one message in MessagePack, which
carries raw bytes. The child sends one request at a time and waits for the answer. So a slow reader
slows the function (backpressure), and nothing is buffered.
"""

import struct
from typing import Literal

import msgspec

from slotgrid.core.task_parts import Artifact

LENGTH = struct.Struct(">I")
FRAME_LIMIT = 128 * 1024 * 1024
"""Bytes; files come in smaller pieces."""


class Start(msgspec.Struct, frozen=True, tag=True):
    """The first message: the one function that this child runs, as text."""

    folder: str
    path: str
    sources: dict[str, bytes]


class Run(msgspec.Struct, frozen=True, tag=True):
    """Run the function once. `input` is JSON, valid by the function's schema."""

    task_id: str
    attempt: int
    remaining_s: float
    secrets: dict[str, str]
    input: bytes


class Answer(msgspec.Struct, frozen=True, tag=True):
    """The result of a `ContextCall`: success, for `save` with the file, or a refusal.

    An answer with neither requests the next piece of a file.
    """

    file: Artifact | None = None
    refused: str | None = None


class Started(msgspec.Struct, frozen=True, tag=True):
    """The function is loaded; the child accepts runs."""


class NotStarted(msgspec.Struct, frozen=True, tag=True):
    """The function cannot be loaded; the child ends."""

    error: str
    traceback: str


class ContextCall(msgspec.Struct, frozen=True, tag=True):
    """Call a method of the task's context. `arguments` is JSON.

    A file to save is the file at `path`, or `content`; a large one comes in several calls, of which
    each but the last has `more`. `broken`: it cannot be read to its end, for this reason.
    """

    method: Literal["emit", "status", "progress", "stream", "log", "save"]
    arguments: bytes
    content: bytes | None = None
    path: str | None = None
    more: bool = False
    broken: str | None = None


class Returned(msgspec.Struct, frozen=True, tag=True):
    """The function has returned. `result` is JSON."""

    result: bytes


class Raised(msgspec.Struct, frozen=True, tag=True):
    """The function has raised.

    `cause` marks two cases without an exception of the function: the result is not JSON, or the
    binding refused the input (`violations` then has pairs of pointer and message).
    """

    error: str
    message: str
    traceback: str
    retryable: bool
    cause: Literal["function", "not-json", "invalid-input"] = "function"
    violations: tuple[tuple[str, str], ...] = ()


ToChild = Start | Run | Answer
FromChild = Started | NotStarted | ContextCall | Returned | Raised


class FrameTooLarge(ValueError):
    """A message above `FRAME_LIMIT`."""


FROM_CHILD: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
TO_CHILD: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)


def encode(message: ToChild | FromChild) -> bytes:
    """The message as a frame. Raises FrameTooLarge."""
    body = msgspec.msgpack.encode(message)
    if len(body) > FRAME_LIMIT:
        raise FrameTooLarge(f"{len(body)} bytes at once, at most {FRAME_LIMIT} are possible")
    return LENGTH.pack(len(body)) + body
