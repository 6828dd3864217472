"""The worker's side of one child process."""

import asyncio
import codecs
import os
import signal
import socket
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
import structlog

from slotgrid.core.errors import FunctionFailed, InvalidInput, OutputInvalid, Violation
from slotgrid.function import Context
from slotgrid.runtime.setting_aliases import THEIR_KEYS
from worker.line_buffer import LineBuffer
from worker.plain.messages import (
    FROM_CHILD,
    LENGTH,
    Answer,
    ContextCall,
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
from worker.registry.python.function import PythonFunction

REAP_S = 0.5
"""Wait for the exit of a killed process: well within the grace period of a cancel."""
LAST_WORDS_S = 0.5
"""Limit for reading a dead process's output: a process that it started may keep the pipe open."""
READ_BYTES = 64 * 1024
NOT_FOR_CHILDREN = THEIR_KEYS | {"AUTH_KEY", "BALANCER_KEY", "WEBHOOK_SECRET", "DATABASE_URL"}
"""The worker's own secrets, in every spelling: functions do not need them."""

log = structlog.get_logger()


class RemoteError(Exception):
    """An exception of a plain function; `str(error)` is `ValueError: its message`.

    `retryable`: `retry_on` names the exception. `traceback` is the child's traceback, which a
    printed traceback of this error includes.
    """

    def __init__(self, raised: Raised) -> None:
        super().__init__(f"{raised.error}: {raised.message}".rstrip(": "))
        self.type = raised.error
        self.message = raised.message
        self.traceback = raised.traceback
        self.retryable = raised.retryable
        self.add_note(raised.traceback)


class ChildProcess:
    """A child process that has loaded one function. Made by `start`, ended by `end`."""

    def __init__(
        self, process: Process, reader: StreamReader, writer: StreamWriter, function: PythonFunction
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._context: Context | None = None
        self.function = function
        self.fit = True
        """Whether the process can take another run: not after a kill, a death or an aborted run."""
        assert process.stdout is not None
        assert process.stderr is not None
        self._ears = {
            asyncio.create_task(self._listen(process.stdout, "stdout"), name="plain-stdout"),
            asyncio.create_task(self._listen(process.stderr, "stderr"), name="plain-stderr"),
        }

    @classmethod
    async def start(cls, function: PythonFunction) -> "ChildProcess":
        """Start a process that loads the function. Raises FunctionFailed if the load fails."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            try:
                process = await _spawn(theirs)
            except BaseException:
                writer.close()
                raise
        child = cls(process, reader, writer, function)
        try:
            await child._load()
        except BaseException:
            await child.end()
            raise
        return child

    async def run(self, context: Context, attempt: Run) -> Any:
        """Run the function once; its output goes to `context`.

        Raises RemoteError for an exception of the function, OutputInvalid for a result that is not
        JSON, InvalidInput, and FunctionFailed if the process died.
        """
        self.fit = False
        self._context = context
        try:
            await self._send(attempt)
            while isinstance(message := await self._receive(), ContextCall):
                await self._send(await self._said(context, message))
        finally:
            self._context = None
        self.fit = True
        if isinstance(message, Raised):
            raise _error_of(self.function.spec.name, message)
        assert isinstance(message, Returned)
        return msgspec.json.decode(message.result)

    async def _said(self, context: Context, message: ContextCall) -> Answer:
        """Call the context's method, and wait until there is room for more."""
        arguments = msgspec.json.decode(message.arguments)
        if message.path is not None:
            arguments["data"] = Path(message.path)
        elif message.more:
            arguments["data"] = self._pieces(message)
        elif message.content is not None:
            arguments["data"] = message.content
        try:
            said = await getattr(context, message.method)(**arguments)
        except (ValueError, RuntimeError) as error:  # a reserved kind, a bad name; the task's end
            return Answer(refused=str(error))
        return Answer(file=said if message.method == "save" else None)

    async def _pieces(self, first: ContextCall) -> AsyncIterator[bytes]:
        """The content of a large file; each next piece is requested when the last is written."""
        message: FromChild = first
        while isinstance(message, ContextCall):
            if message.broken is not None:
                raise ValueError(message.broken)
            yield message.content or b""
            if not message.more:
                return
            await self._send(Answer())
            message = await self._receive()

    def kill(self) -> None:
        """Kill the process and all processes of its group, at once."""
        self.fit = False
        # The process has its own session and group; the group may outlive its leader.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Kill the process and release its resources, in bounded time."""
        self.kill()
        self._writer.close()
        await self._reaped()
        for ear in self._ears:
            ear.cancel()
        await asyncio.wait(self._ears)

    @property
    def pid(self) -> int:
        """The id of the process, which leads its own process group."""
        return self._process.pid

    async def _load(self) -> None:
        snapshot = self.function.sources
        sources = {str(part): source.data or b"" for part, source in snapshot.sources.items()}
        await self._send(Start(str(snapshot.folder), str(self.function.path), sources))
        message = await self._receive()
        if isinstance(message, NotStarted):
            failure = FunctionFailed(f"the child process cannot load it: {message.error}")
            failure.add_note(message.traceback)
            raise failure
        assert isinstance(message, Started)

    async def _send(self, message: ToChild) -> None:
        try:
            self._writer.write(encode(message))
            await self._writer.drain()
        except ConnectionError:
            raise await self._died() from None

    async def _receive(self) -> FromChild:
        try:
            (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            return FROM_CHILD.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._died() from None

    async def _died(self) -> FunctionFailed:
        """The cause of the process's death, after its last output is in the task's log."""
        self.kill()
        await asyncio.wait(self._ears, timeout=LAST_WORDS_S)
        await self._reaped()
        status = self._process.returncode
        return FunctionFailed(f"its process {_in_words(status)}", reason="process-died")

    async def _reaped(self) -> None:
        # Bounded, as before Python 3.12.4 `wait` also waits for the end of the pipes.
        with suppress(TimeoutError):
            async with asyncio.timeout(REAP_S):
                await self._process.wait()

    async def _listen(self, reader: StreamReader, stream: Literal["stdout", "stderr"]) -> None:
        """Log output that bypasses `sys.stdout`: from C code, subprocesses, a crash."""
        lines, decoder = LineBuffer(), codecs.getincrementaldecoder("utf-8")("replace")
        while chunk := await reader.read(READ_BYTES):
            for line in lines.feed(decoder.decode(chunk)):
                await self._read_line(line, stream)
        for line in lines.end():
            await self._read_line(line, stream)

    async def _read_line(self, text: str, stream: Literal["stdout", "stderr"]) -> None:
        if self._context is None:
            name = self.function.spec.name
            log.info("plain.output", function=name, pid=self.pid, stream=stream, line=text)
            return
        with suppress(RuntimeError, ValueError):  # the task and its log have ended
            await self._context.log(text, stream)


async def _spawn(theirs: socket.socket) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-m", "worker.plain.child"),
        *(str(theirs.fileno()), str(os.getpid())),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        pass_fds=[theirs.fileno()],
        start_new_session=True,  # so that a kill of its group includes its own children
        env={key: value for key, value in os.environ.items() if key not in NOT_FOR_CHILDREN},
    )


def _error_of(name: str, raised: Raised) -> Exception:
    match raised.cause:
        case "not-json":
            return OutputInvalid(f"{name} returned a value that is {raised.message}")
        case "invalid-input":
            faults = [Violation(pointer, message) for pointer, message in raised.violations]
            return InvalidInput(raised.message, errors=faults)
        case "function":
            return RemoteError(raised)


def _in_words(status: int | None) -> str:
    if status is None:
        return "is gone"
    if status >= 0:
        return f"exited with status {status} while it ran"
    name = signal.Signals(-status).name
    hint = ", perhaps out of memory" if -status == signal.SIGKILL else ""
    return f"was ended by {name} while it ran{hint}"
