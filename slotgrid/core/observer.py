"""Observers of a task's lifecycle, one or several combined."""

from collections.abc import Callable

from slotgrid.core.errors import ServiceError
from slotgrid.core.task import Task

CALLBACKS = ("accepted", "started", "will_retry", "finished", "defect")


class Observer:
    """Receives callbacks on a task's lifecycle, to record them; it decides nothing.

    A subclass overrides the methods that it needs.
    """

    def accepted(self, task: Task) -> None:
        """The node has accepted the task."""

    def started(self, task: Task) -> None:
        """The task starts an attempt, on a slot or without one."""

    def will_retry(self, task: Task, error: ServiceError, delay_s: float) -> None:
        """An attempt failed, another follows after `delay_s`."""

    def finished(self, task: Task) -> None:
        """The task has its terminal state, result or error; its waiters still wait."""

    def defect(self, task: Task, error: Exception) -> None:
        """The node itself failed while it handled the task."""


class Observers(Observer):
    """Calls each observer in order, except for methods that it does not override."""

    def __init__(self, *observers: Observer) -> None:
        for name in CALLBACKS:
            default = getattr(Observer, name)
            overriding = [one for one in observers if getattr(type(one), name) is not default]
            setattr(self, name, _all([getattr(one, name) for one in overriding]))


def _all(methods: list[Callable[..., None]]) -> Callable[..., None]:
    if len(methods) == 1:
        return methods[0]

    def notify(*what: object) -> None:
        for method in methods:
            method(*what)

    return notify
