"""Events of a running task: a bounded log with readers and backpressure on its writer."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec
import orjson

EVENTS_LIMIT = 1000
BYTES_LIMIT = 4 * 1024 * 1024
READER_LAG_EVENTS = 64
READER_LAG_BYTES = 256 * 1024
NO_WAITERS: frozenset[asyncio.Future[None]] = frozenset()
"""Shared empty set: most tasks have no waiters, so they need no set of their own."""
TERMINAL_KINDS = frozenset({"done", "error"})


class NotJson(ValueError):
    """A payload or result has no JSON form."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event of a task. `payload` is JSON bytes, ready for the wire.

    `gc=False`: an event cannot be part of a cycle, and thousands are kept.
    """

    id: int
    kind: str
    at: float
    payload: bytes

    @property
    def terminal(self) -> bool:
        """Whether it is the last event of its task."""
        return self.kind in TERMINAL_KINDS


class Pacer(Protocol):
    """A reader that the writer waits for."""

    @property
    def position(self) -> int:
        """The id of the last event that it has read."""

    def is_behind(self) -> bool:
        """Whether the writer should wait."""


class Follower(Pacer, Protocol):
    """A reader without an asyncio task of its own: the log calls it."""

    def notify(self) -> None:
        """Called after each new event."""


class EventLog(msgspec.Struct, eq=False):
    """The last events of a task (or lines of its log), bounded by number and bytes.

    Any number of readers may follow it. One of them may be *pacing*: the writer then waits while
    that reader is behind, so an unread stream stops only its own task.
    Events that a pacing reader has not read are never dropped.
    """

    limit: int = EVENTS_LIMIT
    bytes_limit: int = BYTES_LIMIT
    size: int = 0
    last_id: int = 0
    begins_after: int = 0  # events up to this id belong to an earlier process
    closed: bool = False
    _events: list[Event] = []
    _waiters: frozenset[asyncio.Future[None]] = NO_WAITERS
    _pacing: Pacer | None = None
    _follower: Follower | None = None
    _room: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        # Without the events, which are long.
        return f"EventLog(last_id={self.last_id}, closed={self.closed})"

    def append(self, kind: str, payload: Any, *, at: float | None = None) -> Event:
        """Record an event with the time `at` (default: now) and wake the readers.

        Raises NotJson when `payload` is not JSON.
        """
        return self.append_json(kind, encode_json(payload), at=at)

    def append_json(self, kind: str, encoded: bytes, *, at: float | None = None) -> Event:
        """As `append`, for a payload of JSON bytes."""
        number = self.last_id = self.last_id + 1
        event = Event(number, kind, at or time.time(), encoded)
        self._events.append(event)
        self.size += len(encoded)
        if self.size > self.bytes_limit or number - self.begins_after > self.limit:
            self._drop_oldest()
        if self._waiters:
            self._wake()
        if self._follower is not None:
            self._follower.notify()
        return event

    def begin_after(self, event_id: int) -> None:
        """Number new events above `event_id`, the last one of an earlier process."""
        self.last_id = self.begins_after = event_id

    def close(self) -> None:
        """End the log: no event follows. Wakes readers and writer."""
        self.closed = True
        if self._waiters:
            self._wake()
        if self._room is not None:
            self._release_writer()

    @property
    def last(self) -> Event:
        """The newest event. Raises IndexError when there is none."""
        return self._events[-1]

    def after(self, event_id: int) -> list[Event]:
        """The kept events newer than `event_id`, oldest first."""
        # Ids have no gaps, so the difference of ids is the number of newer events.
        newer = self.last_id - event_id
        return self._events[-newer:] if newer > 0 else []

    def missing_after(self, event_id: int) -> int:
        """How many events newer than `event_id` are no longer kept."""
        oldest = self._events[0].id if self._events else self.last_id + 1
        return max(0, oldest - event_id - 1)

    def far_behind(self, position: int) -> bool:
        """Whether a reader at `position` is more than 64 events or 256 KiB behind."""
        lag = self.last_id - position
        if lag > READER_LAG_EVENTS:
            return True
        if self.size <= READER_LAG_BYTES:
            return False
        unread = self.after(position)
        # A single large event does not count, or its writer would stop for ever.
        return len(unread) > 1 and sum(len(e.payload) for e in unread) > READER_LAG_BYTES

    def follow(self, follower: Follower | None) -> None:
        """Notify `follower` of each new event and pace the writer by it; None removes it."""
        if follower is not None:
            self.pace(follower)
        elif self._follower is not None:
            self.unpace(self._follower)
        self._follower = follower

    def pace(self, pacer: Pacer) -> None:
        """Pace the writer by this reader instead of the previous one."""
        self._pacing = pacer
        self._release_writer()  # the writer may wait for the replaced reader

    def unpace(self, pacer: Pacer) -> None:
        """Stop pacing the writer by that reader."""
        if self._pacing is pacer:
            self._pacing = None
            self._drop_oldest()
            self._release_writer()

    def moved_on(self, pacer: Pacer) -> None:
        """Resume the writer if that reader has caught up enough."""
        if self._pacing is pacer and not pacer.is_behind():
            self._release_writer()

    @property
    def crowded(self) -> bool:
        """Whether `room` would wait."""
        return self._pacing is not None and self._pacing.is_behind() and not self.closed

    async def room(self) -> None:
        """Wait while the pacing reader is too far behind; the writer calls this after `append`."""
        while self.crowded:
            if self._room is None:
                self._room = asyncio.get_running_loop().create_future()
            # Shielded, since a second writer of the same task may wait for the same future.
            await asyncio.shield(self._room)

    def _drop_oldest(self) -> None:
        read = self.last_id if self._pacing is None else self._pacing.position
        # The newest event is always kept, whatever its size: it may be the terminal one.
        while (
            len(self._events) > self.limit
            or (self.size > self.bytes_limit and len(self._events) > 1)
        ) and self._events[0].id <= read:
            self.size -= len(self._events.pop(0).payload)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, NO_WAITERS
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _release_writer(self) -> None:
        if self._room is not None:
            self._room.set_result(None)
            self._room = None

    async def _news(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters |= {waiter}
        try:
            await waiter
        finally:  # a reader may stop waiting, for example to send a ping
            if waiter in self._waiters:
                self._waiters -= {waiter}


class Reader:
    """Follows an `EventLog` after a given event; use it with `async with` and iterate.

    A pacing reader holds the writer back while it is more than 64 events or 256 KiB behind.
    """

    def __init__(self, log: EventLog, *, after: int = 0, pacing: bool = False) -> None:
        self._log = log
        self._pacing = pacing
        self._pending: deque[Event] = deque()
        self.position = after
        """The id of the last returned event."""

    async def __aenter__(self) -> "Reader":
        if self._pacing:
            self._log.pace(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._log.unpace(self)

    @property
    def at_last(self) -> bool:
        """Whether the log is closed and every event was returned."""
        return self._log.closed and self.position >= self._log.last_id

    def is_behind(self) -> bool:
        """Whether the writer should wait."""
        return self._log.far_behind(self.position)

    async def next(self) -> Event | None:
        """Wait for the next event; None when the log is closed and fully read."""
        while not self._pending:
            self._pending.extend(self._log.after(self.position))
            if self._pending:
                break
            if self._log.closed:
                return None
            await self._log._news()
        event = self._pending.popleft()
        self.position = event.id
        self._log.moved_on(self)
        return event

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self.next()) is not None:
            yield event


def encode_json(value: Any) -> bytes:
    """JSON bytes of `value`, including dataclasses, enums, UUIDs and times. Raises NotJson.

    An unpaired surrogate, which web pages do contain and UTF-8 cannot, becomes U+FFFD.
    """
    try:
        try:
            # A copy, since orjson's bytes keep a whole buffer of 4 KiB allocated.
            return memoryview(orjson.dumps(value)).tobytes()
        except TypeError as cause:
            if "surrogates" not in str(cause):
                raise
            return orjson.dumps(_without_surrogates(value))
    except (TypeError, ValueError, RecursionError) as cause:
        raise NotJson(f"not JSON: {cause}") from cause


def well_formed(text: str) -> str:
    """The text in a form that UTF-8 can encode: an unpaired surrogate becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(part) for part in value]
    return value
