"""The filters of templates: an allow-list with Jinja2's names and meanings, on JSON values.

A filter takes the budget of the rendering, the value and its arguments.
"""

from collections.abc import Mapping
from typing import Any

from slotgrid.steps.budget import Budget
from slotgrid.steps.faults import NotDefined, TemplateFault
from slotgrid.steps.filter_arguments import (
    NOTHING,
    Filter,
    check_arguments,
    getter,
    items_of,
    named_in,
)
from slotgrid.steps.list_filters import LIST_FILTERS, attributes_of
from slotgrid.steps.number_filters import NUMBER_FILTERS
from slotgrid.steps.text_filters import TEXT_FILTERS
from slotgrid.steps.value_tests import TESTS


def _map(
    budget: Budget,
    value: Any,
    name: Any = None,
    *arguments: Any,
    attribute: Any = None,
    default: Any = NOTHING,
    **named: Any,
) -> list[Any]:
    items = items_of(budget, value)
    if (name is None) == (attribute is None):
        raise TemplateFault('expected the name of a filter or `attribute="..."`')
    if attribute is not None:
        return attributes_of(items, attribute, default)
    change = named_in(FILTERS, name, "filter")
    check_arguments(change, len(arguments), named)
    budget.items(len(items))
    return [change(budget, item, *arguments, **named) for item in items]


def _chosen(*, wanted: bool, by_attribute: bool) -> Filter:
    def choose(budget: Budget, value: Any, *arguments: Any) -> list[Any]:
        from_attribute, rest = (arguments[:1], arguments[1:]) if by_attribute else ((), arguments)
        if by_attribute and not from_attribute:
            raise TemplateFault("expected the name of an attribute")
        read = getter(*from_attribute) if by_attribute else None
        name, *others = rest or ("true_value",)
        test = named_in(TESTS, name, "test")
        check_arguments(test, len(others), ())
        return [
            item
            for item in items_of(budget, value)
            if _holds(budget, test, name, read, item, others) is wanted
        ]

    return choose


def _holds(  # noqa: PLR0917  one call for each item
    budget: Budget, test: Filter, name: str, read: Any, item: Any, others: list[Any]
) -> bool:
    if read is not None:
        try:
            item = read(item)
        except NotDefined:
            if name in {"defined", "undefined"}:
                return name == "undefined"
            item = None
    return bool(test(budget, item, *others))


FILTERS: Mapping[str, Filter] = {
    **TEXT_FILTERS,
    **NUMBER_FILTERS,
    **LIST_FILTERS,
    "map": _map,
    "reject": _chosen(wanted=False, by_attribute=False),
    "rejectattr": _chosen(wanted=False, by_attribute=True),
    "select": _chosen(wanted=True, by_attribute=False),
    "selectattr": _chosen(wanted=True, by_attribute=True),
}
"""The filters besides `default`, which the evaluation itself knows."""
