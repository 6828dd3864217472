"""One thread makes all writes and commits waiting writes together."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from slotgrid.records import commit_outcomes
from slotgrid.records.availability import Availability, Cause
from slotgrid.records.database_connections import PROBE_S, Connections, DatabaseAway, Work
from slotgrid.records.engines import is_away, is_forestalled, reason

log = structlog.get_logger()

T = TypeVar("T")
Item = TypeVar("Item")
WorkOnMany = Callable[[sa.Connection, Sequence[Item]], Sequence[T]]

BATCH = 256
"""Maximum number of writes in one commit, as the commit costs more than a statement."""
TRIES = 3
"""Maximum runs of a write that conflicts with other nodes."""
REST_S = 1.0
"""Pause between two lookups of a commit's outcome."""


@dataclass(eq=False, slots=True)
class Write:
    """A waiting or running write. `answer` is a future of `loop`."""

    work: WorkOnMany[Any, Any]
    item: Any
    answer: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop
    _begins: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> bool:
        """Begin the write; False if it was withdrawn."""
        return self._begins.acquire(blocking=False)

    def withdraw(self) -> bool:
        """Withdraw the write; False if it has begun, so that its outcome will be known."""
        return self._begins.acquire(blocking=False)


class Writer:
    """Takes writes from any thread and resolves each once its outcome is certain.

    An error means that nothing was committed. If the reply to a commit is lost, the writer looks
    for the transaction's mark until the database responds; other writes wait meanwhile.
    """

    def __init__(self, connections: Connections, availability: Availability) -> None:
        self._connections = connections
        self._availability = availability
        self._id = uuid4().hex
        self._queue: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="db-write", daemon=True)

    def start(self) -> None:
        """Create the writer's row, start its thread. Raises SQLAlchemyError or DatabaseAway."""
        with self._connections.use() as (connection, _):
            commit_outcomes.enter(connection, self._id)
            connection.commit()
        self._thread.start()

    def put(self, write: Write) -> None:
        """Queue a write."""
        self._queue.put(write)

    def end(self, within_s: float) -> None:
        """Execute the waiting writes, then end; returns after `within_s` in any case."""
        self._ends.set()
        self._queue.put(None)
        self._thread.join(within_s)

    # Runs in the writer's thread

    def _write_on(self) -> None:
        ended = False
        while not ended:
            waiting = [self._queue.get()]
            while len(waiting) < BATCH and not self._queue.empty():
                waiting.append(self._queue.get())
            ended = None in waiting
            self._commit([write for write in waiting if write is not None and write.begin()])
        try:
            with self._connections.use() as (connection, _):
                commit_outcomes.leave(connection, self._id)
                connection.commit()
        except (SQLAlchemyError, DatabaseAway):
            log.debug("database.left_unmarked")  # the next start removes the row

    def _commit(self, batch: list[Write], tries: int = 1) -> None:
        if not batch:
            return

        def together(connection: sa.Connection) -> list[Any]:
            kinds: dict[WorkOnMany[Any, Any], list[int]] = {}
            for number, write in enumerate(batch):
                kinds.setdefault(write.work, []).append(number)
            results: list[Any] = [None] * len(batch)
            for work, numbers in kinds.items():
                answers = work(connection, [batch[number].item for number in numbers])
                for number, answer in zip(numbers, answers, strict=True):
                    results[number] = answer
            return results

        try:
            results = self._transaction(together)
        except Exception as error:
            if is_away(error) or isinstance(error, DatabaseAway):
                self._availability.lost(Cause.WRITES, reason(error))
                _answer(batch, [error] * len(batch))
            elif len(batch) > 1:  # one write failed the batch: commit each alone
                for write in batch:
                    self._commit([write])
            elif is_forestalled(error) and tries < TRIES:
                self._commit(batch, tries + 1)
            else:
                _answer(batch, [error])
        else:
            self._availability.back(Cause.WRITES)
            _answer(batch, results)

    def _transaction(self, work: Work[T]) -> T:
        """Run `work` and commit; run it again if the connection was lost without a commit."""
        for again in (False, True):
            token = uuid4().hex
            with self._connections.use() as (connection, use):
                try:
                    result = work(connection)
                    commit_outcomes.mark(connection, self._id, token)
                except SQLAlchemyError as error:
                    failed = error
                    if again or use.is_cut or not connection.invalidated:
                        raise
                    continue
                try:
                    connection.commit()
                except SQLAlchemyError as error:
                    failed = error
                else:
                    return result
            if self._was_committed(token, failed):
                return result
            if again or not _connection_lost(failed):
                raise failed
        raise AssertionError("the second run returns or raises")

    def _was_committed(self, token: str, failed: SQLAlchemyError) -> bool:
        """Whether a transaction was committed although its commit raised `failed`.

        Raises `failed` at the end of the process if the outcome is still unknown.
        """
        while True:
            try:
                with self._connections.use(limit_s=PROBE_S, probing=True) as (connection, _):
                    committed = commit_outcomes.is_last(connection, self._id, token)
            except (SQLAlchemyError, DatabaseAway) as error:
                why = f"the outcome of a commit is not known: {reason(error)}"
                self._availability.lost(Cause.OUTCOME, why)
                if self._ends.wait(REST_S):
                    raise failed from error
            else:
                if committed or _connection_lost(failed):
                    log.warning(
                        "database.outcome_found", committed=committed, reason=reason(failed)
                    )
                self._availability.back(Cause.CONNECTION)
                self._availability.back(Cause.OUTCOME)
                return committed


def _connection_lost(error: SQLAlchemyError) -> bool:
    return isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated


def _answer(batch: list[Write], results: list[Any]) -> None:
    """Set the results of a batch in one call to the event loop."""

    def set_results() -> None:
        for write, result in zip(batch, results, strict=True):
            if write.answer.done():
                continue
            if isinstance(result, BaseException):
                write.answer.set_exception(result)
            else:
                write.answer.set_result(result)

    try:
        batch[0].loop.call_soon_threadsafe(set_results)
    except RuntimeError:
        log.warning("database.answer_lost", writes=len(batch))  # the loop has closed
