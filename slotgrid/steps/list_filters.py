"""Filters of lists, and of objects as lists. They return lists, never generators."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from slotgrid.steps.budget import Budget
from slotgrid.steps.faults import NotDefined, TemplateFault
from slotgrid.steps.filter_arguments import (
    NOTHING,
    Filter,
    getter,
    in_order,
    items_of,
    number_of,
    whole_of,
)
from slotgrid.steps.values import as_text, checked_number, kind_of

FLATTENED_MOST = 10
"""Levels of lists that `flatten` takes away."""


def attributes_of(items: list[Any], attribute: Any, default: Any = NOTHING) -> list[Any]:
    """The attribute of each item, or the default where an item has none."""
    read = getter(attribute)
    return [_read_or(read, item, default) for item in items]


def _read_or(read: Callable[[Any], Any], item: Any, default: Any) -> Any:
    try:
        return read(item)
    except NotDefined:
        if default is NOTHING:
            raise
        return default


def _join(budget: Budget, value: Any, separator: Any = "", attribute: Any = None) -> str:
    items = items_of(budget, value)
    if attribute is not None:
        items = attributes_of(items, attribute)
    separator = as_text(separator, budget)
    texts = [as_text(item, budget) for item in items]
    budget.text(sum(map(len, texts)) + len(separator) * len(texts))
    return str(separator.join(texts))


def _length(budget: Budget, value: Any) -> int:
    if not isinstance(value, list | str | Mapping):
        raise TemplateFault(f"{kind_of(value)} has no length")
    return len(value)


def _first(budget: Budget, value: Any) -> Any:
    return _at_end(value, 0)


def _last(budget: Budget, value: Any) -> Any:
    return _at_end(value, -1)


def _at_end(value: Any, index: int) -> Any:
    if not isinstance(value, list | str):
        raise TemplateFault(f"expected a list, got {kind_of(value)}")
    if not value:
        raise NotDefined(f"the {'text' if isinstance(value, str) else 'list'} is empty")
    return value[index]


def _list(budget: Budget, value: Any) -> list[Any]:
    return list(items_of(budget, value))


def _items(budget: Budget, value: Any) -> list[list[Any]]:
    if not isinstance(value, Mapping):
        raise TemplateFault(f"expected an object, got {kind_of(value)}")
    budget.items(len(value) * 2)
    return [[key, part] for key, part in value.items()]


def _reverse(budget: Budget, value: Any) -> Any:
    if isinstance(value, str):
        budget.text(len(value) * 4)
        return value[::-1]
    return items_of(budget, value)[::-1]


def _sum(budget: Budget, value: Any, attribute: Any = None, start: Any = 0) -> Any:
    items = items_of(budget, value)
    if attribute is not None:
        items = attributes_of(items, attribute)
    return checked_number(sum((number_of(item) for item in items), number_of(start)))


def _order(budget: Budget, case_sensitive: Any, attribute: Any) -> Callable[[Any], Any]:
    """The key by which values are put in order."""
    reads = None
    if attribute is not None:
        names = attribute.split(",") if isinstance(attribute, str) else [attribute]
        reads = [getter(name.strip() if isinstance(name, str) else name) for name in names]

    def folded(value: Any) -> Any:
        if isinstance(value, str) and not case_sensitive:
            budget.text(len(value) * 4)
            return value.lower()
        return value

    def key(value: Any) -> Any:
        return folded(value) if reads is None else [folded(read(value)) for read in reads]

    return key


def _sort(
    budget: Budget,
    value: Any,
    reverse: Any = False,
    case_sensitive: Any = False,
    attribute: Any = None,
) -> Any:
    items = items_of(budget, value)
    budget.whole(items)
    budget.items(len(items) * len(items).bit_length() // 4)
    key = _order(budget, case_sensitive, attribute)
    return in_order(lambda: sorted(items, key=key, reverse=bool(reverse)))


def _extreme(choose: Callable[..., Any]) -> Filter:
    def chosen(
        budget: Budget, value: Any, case_sensitive: Any = False, attribute: Any = None
    ) -> Any:
        items = items_of(budget, value)
        if not items:
            raise NotDefined("the list is empty")
        budget.whole(items)
        return in_order(lambda: choose(items, key=_order(budget, case_sensitive, attribute)))

    return chosen


def _unique(
    budget: Budget, value: Any, case_sensitive: Any = False, attribute: Any = None
) -> list[Any]:
    items = items_of(budget, value)
    budget.whole(items)
    budget.items(len(items) * 2)
    key = _order(budget, case_sensitive, attribute)
    kept: dict[bytes, Any] = {}
    for item in items:
        kept.setdefault(orjson.dumps(key(item), option=orjson.OPT_SORT_KEYS), item)
    return list(kept.values())


def _flatten(budget: Budget, value: Any, levels: Any = 1) -> list[Any]:
    items = items_of(budget, value)
    if not 1 <= whole_of(levels) <= FLATTENED_MOST:
        raise TemplateFault(f"`levels` must be 1 to {FLATTENED_MOST}")
    for _ in range(levels):
        budget.items(sum(len(item) if isinstance(item, list) else 1 for item in items))
        items = [part for item in items for part in (item if isinstance(item, list) else [item])]
    return items


LIST_FILTERS: Mapping[str, Filter] = {
    "first": _first,
    "flatten": _flatten,
    "items": _items,
    "join": _join,
    "last": _last,
    "length": _length,
    "list": _list,
    "max": _extreme(max),
    "min": _extreme(min),
    "reverse": _reverse,
    "sort": _sort,
    "sum": _sum,
    "unique": _unique,
}
