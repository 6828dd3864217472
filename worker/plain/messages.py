"""What a worker and the child process of a plain function say to each other.

Frames on a socket pair: four bytes of length (big-endian), then one message in MessagePack, which
carries bytes as they are. The child asks and waits for the answer, one thing at a time; so a reader
who is slow slows the function, and nothing is ever buffered.
"""

import struct
from typing import Literal

import msgspec

LENGTH = struct.Struct(">I")
FRAME_LIMIT = 128 * 1024 * 1024
"""Bytes; more than the largest artifact that a task may save."""


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


class SavedFile(msgspec.Struct, frozen=True):
    """An artifact, as `slotgrid.core.task.Artifact` has it."""

    name: str
    size: int
    content_type: str
    url: str


class Answer(msgspec.Struct, frozen=True, tag=True):
    """What came of the child's `Say`: done, with the file that was saved; or refused."""

    file: SavedFile | None = None
    refused: str | None = None


class Started(msgspec.Struct, frozen=True, tag=True):
    """The function is loaded; the child takes runs."""


class NotStarted(msgspec.Struct, frozen=True, tag=True):
    """The function cannot be loaded; the child ends."""

    error: str
    traceback: str


class Say(msgspec.Struct, frozen=True, tag=True):
    """Call a method of the task's context. `arguments` is JSON; `content` what to save."""

    method: Literal["emit", "status", "progress", "stream", "log", "save"]
    arguments: bytes
    content: bytes | None = None


class Returned(msgspec.Struct, frozen=True, tag=True):
    """The function has returned. `result` is JSON."""

    result: bytes


class Raised(msgspec.Struct, frozen=True, tag=True):
    """The function has raised.

    `cause` tells the two cases that are no failure of its own: it returned what is not JSON, or
    its input was refused while it was bound (then `violations` are pairs of pointer and message).
    """

    error: str
    message: str
    traceback: str
    retryable: bool
    cause: Literal["function", "not-json", "invalid-input"] = "function"
    violations: tuple[tuple[str, str], ...] = ()


ToChild = Start | Run | Answer
FromChild = Started | NotStarted | Say | Returned | Raised


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
