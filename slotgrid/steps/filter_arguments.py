"""The checks of values and arguments that filters and tests share."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from inspect import Signature, signature
from typing import Any

from slotgrid.steps.budget import Budget
from slotgrid.steps.faults import TemplateFault, nearest
from slotgrid.steps.values import is_number, item_of, kind_of, shown

Filter = Callable[..., Any]
"""A filter or test: takes the budget, the value, and its arguments."""
NOTHING = object()
"""The default of an argument that was not given."""


def text_of(value: Any) -> str:
    """The value if it is a string. Raises TemplateFault."""
    if not isinstance(value, str):
        raise TemplateFault(f"expected a string, got {kind_of(value)}")
    return value


def number_of(value: Any) -> Any:
    """The value if it is a number. Raises TemplateFault."""
    if not is_number(value):
        raise TemplateFault(f"expected a number, got {kind_of(value)}")
    return value


def whole_of(value: Any) -> int:
    """The value if it is a whole number. Raises TemplateFault."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TemplateFault(f"expected a whole number, got {kind_of(value)}")
    return value


def items_of(budget: Budget, value: Any) -> list[Any]:
    """The items of a list, the characters of a string, the keys of an object."""
    if not isinstance(value, list | str | Mapping):
        raise TemplateFault(f"expected a list, got {kind_of(value)}")
    budget.items(len(value))
    return value if isinstance(value, list) else list(value)


def getter(attribute: Any) -> Callable[[Any], Any]:
    """A function that reads `a.b.0` of a value. It raises NotDefined where there is none."""
    if isinstance(attribute, str):
        keys = [int(key) if key.isdecimal() else key for key in attribute[:1000].split(".")]
    elif isinstance(attribute, int) and not isinstance(attribute, bool):
        keys = [attribute]
    else:
        raise TemplateFault(f"`attribute` is a name or a number, not {kind_of(attribute)}")

    def read(value: Any) -> Any:
        for key in keys:
            known = str(key) if isinstance(value, Mapping) else key
            value = item_of(value, known, "an item")
        return value

    return read


def in_order(work: Callable[[], Any]) -> Any:
    """What `work`, which compares items, returns. Raises TemplateFault for a mix of types."""
    try:
        return work()
    except TypeError as cause:
        raise TemplateFault("its items are of several types, which have no order") from cause


def named_in(table: Mapping[str, Filter], name: Any, what: str) -> Filter:
    """The filter or test of that name. Raises TemplateFault with the nearest known name."""
    found = table.get(name) if isinstance(name, str) else None
    if found is None:
        near = nearest(name, table) if isinstance(name, str) else ""
        raise TemplateFault(f"there is no {what} {shown(name)}{near}")
    return found


@cache
def _signature(work: Filter) -> Signature:
    return signature(work)


def check_arguments(work: Filter, count: int, named: Iterable[str]) -> None:
    """Raise TemplateFault unless the filter or test takes these arguments."""
    try:
        _signature(work).bind(None, None, *[None] * count, **dict.fromkeys(named))
    except TypeError as cause:
        raise TemplateFault(str(cause)) from cause
