"""The context of a plain function, in its child process."""

import os
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

from slotgrid.core.deadlines import Deadline
from slotgrid.core.task_parts import Artifact
from slotgrid.records.file_data import PIECE_BYTES, UnusableFile, checked_piece, whole
from worker.json_values import json_bytes
from worker.plain.messages import Answer, ContextCall, Run


class CallSender(Protocol):
    """Sends requests to the worker and returns its answers."""

    def call_in_pieces(self, messages: Iterable[ContextCall]) -> Answer:
        """Send each message, and wait for the worker's answer, until one is answered for good.

        The worker answers when the task's reader has room.
        """


class ChildContext:
    """Fulfils `slotgrid.function.PlainContext` for one run."""

    def __init__(self, run: Run, sender: CallSender) -> None:
        self._sender: CallSender | None = sender
        self.task_id = run.task_id
        self.attempt = run.attempt
        self.deadline = Deadline.after(run.remaining_s)
        self.secrets: Mapping[str, str] = dict(run.secrets)

    def close(self) -> None:
        """Refuse further calls, for example from threads that are still running."""
        self._sender = None

    def emit(self, kind: str, text: str | None = None, data: Any = None) -> None:
        """Emit an event of a custom kind. Raises ValueError for data that is not JSON."""
        self._call("emit", kind=kind, text=text, data=data)

    def status(self, text: str) -> None:
        """Emit a `status` event."""
        self._call("status", text=text)

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Emit a `progress` event."""
        self._call("progress", text=text, fraction=fraction)

    def stream(self, chunk: str) -> None:
        """Emit a piece of the result as a `chunk` event."""
        self._call("stream", chunk=chunk)

    def log(self, line: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Write a line to the task's log."""
        self._call("log", line=str(line), stream=stream)

    def save(
        self, name: str, data: bytes | str | Path | BinaryIO, *, replace: bool = True
    ) -> Artifact:
        """Save a file as the task's artifact."""
        arguments = json_bytes({"name": name, "replace": replace})
        if isinstance(data, os.PathLike):
            # Absolute, as the worker may have another working directory.
            path = str(Path(data).absolute())
            calls: Iterable[ContextCall] = [ContextCall("save", arguments, path=path)]
        else:
            calls = _calls(arguments, data)
        file = self._answer(calls).file
        assert file is not None
        return file

    def _call(
        self, method: Literal["emit", "status", "progress", "stream", "log"], **arguments: Any
    ) -> None:
        self._answer([ContextCall(method, json_bytes(arguments))])

    def _answer(self, calls: Iterable[ContextCall]) -> Answer:
        if self._sender is None:
            raise RuntimeError("the task has ended; its events are no longer delivered")
        answer = self._sender.call_in_pieces(calls)
        if answer.refused is not None:
            raise ValueError(answer.refused)
        return answer


def _calls(arguments: bytes, data: object) -> Iterator[ContextCall]:
    """The calls that save a file, one for each piece, of which the last one may be empty."""
    content = whole(data)
    if content is not None and len(content) <= PIECE_BYTES:
        yield ContextCall("save", arguments, content)
        return
    try:
        for piece in _pieces(data if content is None else BytesIO(content)):
            yield ContextCall("save", arguments, piece, more=True)
    except (UnusableFile, OSError) as error:
        yield ContextCall("save", arguments, more=True, broken=str(error))
        return
    yield ContextCall("save", arguments, b"")


def _pieces(file: Any) -> Iterator[bytes]:
    if not callable(getattr(file, "read", None)):
        raise UnusableFile(
            "expected bytes, text, a Path or an open binary file, got " + type(file).__name__
        )
    while piece := checked_piece(file.read(PIECE_BYTES)):
        yield piece
