"""What a module of the functions folder has marked with our decorators."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from slotgrid.function import MARK


def marked_in(module: ModuleType) -> Iterator[tuple[Any, Any]]:
    """What the module itself defines and a decorator marked, in order, each once."""
    seen: set[int] = set()
    for thing in list(vars(module).values()):
        # The object's own attribute: an inherited mark belongs to the class above.
        options = getattr(thing, "__dict__", {}).get(MARK)
        own = getattr(thing, "__module__", None) == module.__name__
        if own and options is not None and id(thing) not in seen:
            seen.add(id(thing))
            yield thing, options
