"""Which task stands for an `Idempotency-Key`, in the modes that no database remembers."""

from collections.abc import Callable
from dataclasses import dataclass

from slotgrid.core.errors import Conflict
from slotgrid.core.task import Task

SWEEP_FROM = 1000
"""Keys below which looking for those of forgotten tasks is not worth it."""


@dataclass(slots=True)
class Standing:
    """A task that stands for a key, and how many callers wait for its answer."""

    task_id: str
    body_hash: str
    callers: int = 0


class KeyedTasks:
    """Tasks of the modes sync and stream by owner and key, for as long as `find` knows them.

    `find` is the history's, so a key is remembered for HISTORY_TTL_S after its task has ended.
    """

    def __init__(self, find: Callable[[str], Task | None]) -> None:
        self._find = find
        self._standing: dict[tuple[str, str], Standing] = {}
        self._sweep_at = SWEEP_FROM

    def __len__(self) -> int:
        return len(self._standing)

    def claim(self, task: Task, key: str | None, body_hash: str) -> tuple[Task, Standing]:
        """The task that answers this request: an earlier one of the same key, or `task` itself.

        Whoever gets `task` back starts it. An earlier one that ended without ever starting (a
        full queue, no slot in time) has done nothing, so its key is free again.
        Raises Conflict if the key stands for another body.
        """
        standing = Standing(task.id, body_hash)
        if key is None:
            return task, standing
        earlier = self._standing.get((task.owner, key))
        known = self._find(earlier.task_id) if earlier is not None else None
        if earlier is None or known is None or (known.state.terminal and not known.attempts):
            self._standing[task.owner, key] = standing
            self._sweep()
            return task, standing
        if earlier.body_hash != body_hash:
            raise Conflict("this Idempotency-Key stands for another body", task_id=known.id)
        return known, earlier

    def _sweep(self) -> None:
        """Drop keys whose task is forgotten; as their number must double first, it is cheap."""
        if len(self._standing) <= self._sweep_at:
            return
        for at, standing in list(self._standing.items()):
            if standing.callers == 0 and self._find(standing.task_id) is None:
                del self._standing[at]
        self._sweep_at = max(SWEEP_FROM, 2 * len(self._standing))
