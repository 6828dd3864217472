"""An observer around another: what it does not care about, it passes on."""

from slotgrid.core.dispatcher import Lease
from slotgrid.core.errors import ServiceError
from slotgrid.core.supervisor import Observer
from slotgrid.core.task import Task


class PassingObserver:
    """Fulfils `Observer` by another; a class that stands on it says only what it adds."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        for turn in ("accepted", "leased", "will_retry", "finished", "defect"):
            # Nothing is added to it: straight through, without a call of our own.
            if getattr(type(self), turn) is getattr(PassingObserver, turn):
                setattr(self, turn, getattr(observer, turn))

    def accepted(self, task: Task) -> None:
        """Pass it on."""
        self._observer.accepted(task)

    def leased(self, task: Task, lease: Lease) -> None:
        """Pass it on."""
        self._observer.leased(task, lease)

    def will_retry(self, task: Task, error: ServiceError, delay_s: float) -> None:
        """Pass it on."""
        self._observer.will_retry(task, error, delay_s)

    def finished(self, task: Task) -> None:
        """Pass it on."""
        self._observer.finished(task)

    def defect(self, task: Task, error: Exception) -> None:
        """Pass it on."""
        self._observer.defect(task, error)
