"""One TCP connection as a stream: backpressure, counted bytes, and an end at any moment."""

import asyncio
from collections.abc import Callable
from typing import Protocol, Self, cast

BUFFER = 64 * 1024
"""Bytes that one direction of a connection holds while the other side is slow."""


class Meter(Protocol):
    """Counts bytes of connections to targets."""

    def add(self, *, received: int = 0, sent: int = 0) -> None:
        """Count bytes that a target sent or got."""


class Stream(asyncio.Protocol):
    """A TCP connection. `read` and `write` raise ConnectionError once it is lost.

    `received` counts bytes. `meter` counts them too, and those that were sent. `may_stay` gets the
    descriptor of the new connection, which ends at once if the answer is no.
    """

    def __init__(
        self, meter: Meter | None = None, *, may_stay: Callable[[int], bool] | None = None
    ) -> None:
        self.received = 0
        self.meter = meter
        self._may_stay = may_stay
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False
        self._cut = False
        self._lost: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such base
        self._transport.set_write_buffer_limits(high=BUFFER)
        if self._cut or not (self._may_stay is None or self._may_stay(self.descriptor)):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hold what came until it is read; stop reading from the socket above BUFFER."""
        self.received += len(data)
        if self.meter is not None:
            self.meter.add(received=len(data))
        self._chunks.append(data)
        self._held += len(data)
        self._readable.set()
        if self._held >= BUFFER and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Let `read` return nothing from now on; the other direction stays open."""
        self._ended = True
        self._readable.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """End every wait."""
        self._lost = exc or ConnectionAbortedError("the connection was closed")
        self._readable.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """Hold writers back."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._writable.set()

    @property
    def descriptor(self) -> int:
        """The number of the connection's file descriptor."""
        assert self._transport is not None
        number: int = self._transport.get_extra_info("socket").fileno()
        return number

    @property
    def is_open(self) -> bool:
        """Whether the other side may still send and receive."""
        return self._lost is None and not self._ended

    async def read(self) -> bytes:
        """All that has come; nothing at the end of the stream."""
        while not self._chunks:
            if self._ended:
                return b""
            if self._lost is not None:
                raise self._lost
            self._readable.clear()
            await self._readable.wait()
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._held = 0
        if self._lost is None and self._transport is not None:
            self._transport.resume_reading()
        return data

    async def read_exactly(self, size: int) -> bytes:
        """So many bytes. Raises ConnectionError if the stream ends before."""
        data = b""
        while len(data) < size:
            if not (more := await self.read()):
                raise ConnectionError("the connection ended early")
            data += more
        self.unread(data[size:])
        return data[:size]

    def unread(self, data: bytes) -> None:
        """Let the next `read` return these bytes first."""
        if data:
            self._chunks.insert(0, data)
            self._held += len(data)
            self._readable.set()

    async def write(self, data: bytes) -> None:
        """Send, and wait while the other side is slow."""
        if self._lost is not None:
            raise self._lost
        assert self._transport is not None
        if self.meter is not None:
            self.meter.add(sent=len(data))
        self._transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()

    def end(self) -> None:
        """Say that nothing more will be sent."""
        if self._lost is None and self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """Send what was written, then close."""
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Close at once; also a connection that was accepted, and has no transport yet."""
        self._cut = True
        if self._transport is not None:
            self._transport.abort()

    @property
    def port(self) -> int:
        """The local port."""
        assert self._transport is not None
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
