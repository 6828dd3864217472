"""Objects that the functions of one attempt share, such as the current tab of their actions."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from slotgrid.function import Context


class SharedPart(Protocol):
    """An object that functions share."""

    async def end(self, context: Context) -> None:
        """End it with the attempt. Bounded in time; raises nothing but CancelledError."""


P = TypeVar("P", bound=SharedPart)


class SharedParts:
    """The shared objects of one attempt, one of each class."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[Callable[[], Any], Any] = {}

    def get(self, kind: Callable[[], P]) -> P:
        """The object of that class, made at the first call."""
        if kind not in self._parts:
            self._parts[kind] = kind()
        found: P = self._parts[kind]
        return found

    async def end(self, context: Context) -> None:
        """End all of them."""
        for part in self._parts.values():
            await part.end(context)
