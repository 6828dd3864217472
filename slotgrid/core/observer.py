"""Who is told of the turns in a task's life: one, or several as one."""

from collections.abc import Callable

from slotgrid.core.errors import ServiceError
from slotgrid.core.lease import Lease
from slotgrid.core.task import Task

TURNS = ("accepted", "leased", "will_retry", "finished", "defect")


class Observer:
    """Is told of the turns in a task's life, to write them down; it decides nothing.

    A class that stands on it has methods for the turns that it cares about.
    """

    def accepted(self, task: Task) -> None:
        """The task is ours."""

    def leased(self, task: Task, lease: Lease) -> None:
        """The task has a slot and starts."""

    def will_retry(self, task: Task, error: ServiceError, delay_s: float) -> None:
        """An attempt failed, another follows after `delay_s`."""

    def finished(self, task: Task) -> None:
        """The task has its terminal state, result or error; its waiters are not woken yet."""

    def defect(self, task: Task, error: Exception) -> None:
        """Something of ours broke while seeing the task through."""


class Observers(Observer):
    """Tells each of them, in their order; whoever has no method for a turn is not even called."""

    def __init__(self, *observers: Observer) -> None:
        for turn in TURNS:
            unheard = getattr(Observer, turn)
            hearing = [one for one in observers if getattr(type(one), turn) is not unheard]
            setattr(self, turn, _all([getattr(one, turn) for one in hearing]))


def _all(methods: list[Callable[..., None]]) -> Callable[..., None]:
    if len(methods) == 1:
        return methods[0]

    def tell(*what: object) -> None:
        for method in methods:
            method(*what)

    return tell
