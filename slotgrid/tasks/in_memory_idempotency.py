"""Idempotency keys in memory, for the modes without a database record: sync and stream.

For the durable modes see `slotgrid/records/store/idempotency.py`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from slotgrid.core.errors import Conflict
from slotgrid.core.task import Task

SWEEP_FROM = 1000
"""Number of keys below which a sweep for evicted tasks is not worth its cost."""


def hash_of(body: object) -> str:
    """Hash of a request body. Equal bodies have equal hashes, whatever the order of members."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(slots=True)
class KeyClaim:
    """The task of a key, and the number of callers that wait for its end."""

    task_id: str
    body_hash: str
    callers: int = 0


class MemoryIdempotency:
    """Claims by owner and key, each for as long as `find` returns its task.

    `find` is that of the history, so a key lives for HISTORY_TTL_S after the end of its task.
    """

    def __init__(self, find: Callable[[str], Task | None]) -> None:
        self._find = find
        self._claims: dict[tuple[str, str], KeyClaim] = {}
        self._sweep_at = SWEEP_FROM

    def __len__(self) -> int:
        return len(self._claims)

    def claim(self, task: Task, key: str | None, body_hash: str) -> tuple[Task, KeyClaim]:
        """The task that answers the request: an earlier one of the same key, or `task` itself.

        The caller starts `task` if it is returned. An earlier task that ended without an attempt (a
        full queue, no slot in time) has done nothing, so its key is free again.
        Raises Conflict if the key belongs to another body.
        """
        claim = KeyClaim(task.id, body_hash)
        if key is None:
            return task, claim
        earlier = self._claims.get((task.owner, key))
        known = self._find(earlier.task_id) if earlier is not None else None
        if earlier is None or known is None or (known.state.terminal and not known.attempts):
            self._claims[task.owner, key] = claim
            self._sweep()
            return task, claim
        if earlier.body_hash != body_hash:
            raise Conflict("this Idempotency-Key belongs to another body", task_id=known.id)
        return known, earlier

    def _sweep(self) -> None:
        """Drop claims on evicted tasks. Amortized: the next sweep runs when they have doubled."""
        if len(self._claims) <= self._sweep_at:
            return
        for owner_key, claim in list(self._claims.items()):
            if claim.callers == 0 and self._find(claim.task_id) is None:
                del self._claims[owner_key]
        self._sweep_at = max(SWEEP_FROM, 2 * len(self._claims))
