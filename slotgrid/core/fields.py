"""The types of a submission's fields."""

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

LOWEST_PRIORITY = 9
DEFAULT_PRIORITY = 5


class Mode(StrEnum):
    """How the answer travels. `durable`: the task is recorded before it is accepted."""

    durable: bool

    SYNC = "sync"
    STREAM = "stream"
    WEBHOOK = "webhook"
    ASYNC = "async"

    def __init__(self, word: str) -> None:
        self.durable = word in {"webhook", "async"}


class Place(msgspec.Struct, frozen=True, cache_hash=True):
    """Where a task must run; None means anywhere.

    `slot` is the number of one slot of a persistent pool, which `pool` then names.
    """

    worker: str | None = None
    pool: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    slot: int | None = None

    def same_slot(self, other: "Place") -> bool:
        """Whether both name the same slot; a worker's own tasks may leave out its name."""
        return (
            self.slot is not None
            and (self.slot, self.pool) == (other.slot, other.pool)
            and (self.worker == other.worker or None in {self.worker, other.worker})
        )

    def slot_only(self) -> "Place":
        """The place without labels if it names a slot, else ANYWHERE."""
        if self.slot is None:
            return ANYWHERE
        return Place(worker=self.worker, pool=self.pool, slot=self.slot)


ANYWHERE = Place()


@dataclass(frozen=True, slots=True)
class Webhook:
    """The target of an answer's delivery."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    secret: str | None = field(default=None, repr=False)
