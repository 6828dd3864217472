"""Finds the objects of a module that our decorators marked."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from slotgrid.function import MARK


def marked_in(module: ModuleType) -> Iterator[tuple[Any, Any]]:
    """The objects that the module itself defines and a decorator marked, in order, each once."""
    seen: set[int] = set()
    for thing in list(vars(module).values()):
        # Only the object's own attribute: an inherited mark belongs to the base class.
        options = getattr(thing, "__dict__", {}).get(MARK)
        own = getattr(thing, "__module__", None) == module.__name__
        if own and options is not None and id(thing) not in seen:
            seen.add(id(thing))
            yield thing, options
