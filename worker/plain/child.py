"""The child process of a plain function: `python -m worker.plain.child SOCKET PARENT`.

The process loads one function from the text that the worker sends, and runs it for one task after
another, until the worker closes the socket, kills the process, or dies.
"""

import faulthandler
import io
import os
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TextIO

import msgspec

from slotgrid.core.errors import InvalidInput
from slotgrid.core.event_log import NotJson, well_formed
from slotgrid.function import FunctionOptions
from slotgrid.function_files.snapshot import Snapshot, SourceFile
from slotgrid.runtime.parent_watch import end_with_parent
from worker.json_values import json_bytes
from worker.line_buffer import LineBuffer
from worker.plain.context import ChildContext
from worker.plain.messages import (
    LENGTH,
    TO_CHILD,
    Answer,
    ContextCall,
    FrameTooLarge,
    FromChild,
    NotStarted,
    Raised,
    Returned,
    Run,
    Start,
    Started,
    ToChild,
    encode,
)
from worker.registry.python.generation import Generation
from worker.registry.python.marks import marked_in
from worker.signatures.binding import read_binding
from worker.tracebacks import format_traceback, text_of


class ParentGone(Exception):
    """The worker has closed the socket."""


class Channel:
    """The child's end of the socket: blocking, with one request at a time."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        # A function may call from several threads; each answer must reach its own caller.
        self._turn = threading.Lock()

    def notify(self, message: FromChild) -> None:
        """Send a message that has no answer. Raises FrameTooLarge."""
        with self._turn:
            self._socket.sendall(encode(message))

    def receive(self) -> ToChild:
        """Wait for the next message. Raises ParentGone."""
        (length,) = LENGTH.unpack(self._read(LENGTH.size))
        return TO_CHILD.decode(self._read(length))

    def call(self, message: ContextCall) -> Answer:
        """Send a request and wait for its answer. Raises FrameTooLarge or ParentGone."""
        return self.call_in_pieces([message])

    def call_in_pieces(self, messages: Iterable[ContextCall]) -> Answer:
        """Send a request that takes several messages, until one is answered for good."""
        answer: ToChild = Answer()
        with self._turn:
            for message in messages:
                self._socket.sendall(encode(message))
                answer = self.receive()
                assert isinstance(answer, Answer)
                if answer != Answer():
                    break
        assert isinstance(answer, Answer)
        return answer

    def _read(self, length: int) -> bytearray:
        data = bytearray(length)
        view, filled = memoryview(data), 0
        while filled < length:
            received = self._socket.recv_into(view[filled:])
            if received == 0:
                raise ParentGone
            filled += received
        return data


class Lines(io.TextIOBase):
    """Replaces `sys.stdout` or `sys.stderr`: printed text becomes lines of the task's log.

    Between tasks, and during the load of the function, text goes to the real stream.
    """

    def __init__(self, name: Literal["stdout", "stderr"], real: TextIO) -> None:
        self._name = name
        self._real = real
        self._lines = LineBuffer()
        self.context: ChildContext | None = None

    def write(self, text: str) -> int:
        """Log every complete line."""
        if self.context is None:
            return self._real.write(text)
        for line in self._lines.feed(text):
            self.context.log(line, stream=self._name)
        return len(text)

    def writable(self) -> bool:
        """Always true."""
        return True

    def fileno(self) -> int:
        """The real stream's descriptor, for subprocesses and C code: the worker reads it too."""
        return self._real.fileno()

    def flush(self) -> None:
        """Flush the real stream; an incomplete line stays buffered."""
        self._real.flush()

    def end_line(self) -> None:
        """Log the incomplete last line."""
        for line in self._lines.end():
            assert self.context is not None
            with suppress(ValueError):  # the worker refused the line, and the function has ended
                self.context.log(line, stream=self._name)


class Function:
    """The loaded function of this process."""

    def __init__(
        self, call: Callable[..., Any], options: FunctionOptions, generation: Generation
    ) -> None:
        self._call = call
        self._options = options
        self._generation = generation  # a reference, so that imports inside the function work
        self._binding = read_binding(call, converted=options.input is None)

    @classmethod
    def load(cls, start: Start) -> "Function":
        """Import the sent text. Raises any exception of its code."""
        sources = {
            PurePosixPath(path): SourceFile(PurePosixPath(path), data, frozenset())
            for path, data in start.sources.items()
        }
        generation = Generation(Snapshot(Path(start.folder), sources))
        for thing, options in marked_in(generation.load(PurePosixPath(start.path))):
            if isinstance(options, FunctionOptions):
                return cls(thing, options, generation)
        raise ImportError(
            "the file defines no @function in the child process, but does in the worker"
        )

    def run(self, run: Run, context: ChildContext) -> Returned | Raised:
        """Call the function; returns its outcome as a message."""
        try:
            arguments = self._binding.bind(msgspec.json.decode(run.input))
        except InvalidInput as error:
            return self.raised(error, cause="invalid-input")
        try:
            returned = self._call(context, **arguments)
        # BaseException: `sys.exit()` ends the task, not its process.
        except BaseException as error:
            return self.raised(error)
        try:
            return Returned(json_bytes(returned))
        except NotJson as error:
            return self.raised(error, cause="not-json")

    def raised(
        self,
        error: BaseException,
        cause: Literal["function", "not-json", "invalid-input"] = "function",
    ) -> Raised:
        """The error as a message."""
        violations = error.errors if isinstance(error, InvalidInput) else ()
        return Raised(
            error=type(error).__name__,
            message=well_formed(text_of(error)),
            traceback=well_formed(format_traceback(error)),
            retryable=cause == "function" and isinstance(error, self._options.retry_on),
            cause=cause,
            violations=tuple((fault.pointer, fault.message) for fault in violations),
        )


def serve(channel: Channel, streams: tuple[Lines, Lines]) -> None:
    """Load the function, then run it for each task. Raises ParentGone at the end."""
    start = channel.receive()
    assert isinstance(start, Start)
    try:
        function = Function.load(start)
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {text_of(error)}"
        channel.notify(NotStarted(well_formed(text), well_formed(format_traceback(error))))
        return
    channel.notify(Started())
    while True:
        run = channel.receive()
        assert isinstance(run, Run)
        context = ChildContext(run, channel)
        for stream in streams:
            stream.context = context
        outcome = function.run(run, context)
        for stream in streams:
            stream.end_line()
            stream.context = None
        context.close()
        try:
            channel.notify(outcome)
        except FrameTooLarge as error:
            channel.notify(function.raised(error))


def main() -> None:
    """Serve the worker that started this process."""
    number, parent = int(sys.argv[1]), int(sys.argv[2])
    end_with_parent(parent)  # also while a function holds the interpreter
    faulthandler.enable()  # a crash in C code shows its stack in the task's log
    end = socket.socket(fileno=number)
    end.set_inheritable(False)
    streams = (Lines("stdout", sys.stdout), Lines("stderr", sys.stderr))
    sys.stdout, sys.stderr = streams
    status = 0
    try:
        serve(Channel(end), streams)
    except (ParentGone, OSError):
        pass  # the worker is gone: nothing to report to
    except Exception:  # a defect of ours, for the worker's log
        traceback.print_exc()
        status = os.EX_SOFTWARE
    # Not `sys.exit`, which would wait for threads that a function left running.
    os._exit(status)


if __name__ == "__main__":
    main()
