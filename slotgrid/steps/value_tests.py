"""The tests of templates: `is even`, `select("gt", 3)`."""

from collections.abc import Callable, Mapping
from typing import Any

from slotgrid.steps.budget import Budget
from slotgrid.steps.faults import TemplateFault
from slotgrid.steps.filter_arguments import Filter, in_order, text_of, whole_of
from slotgrid.steps.values import is_number, kind_of


def _compared(compare: Callable[[Any, Any], bool]) -> Filter:
    def holds(budget: Budget, value: Any, other: Any) -> bool:
        budget.whole(value)
        return bool(in_order(lambda: compare(value, other)))

    return holds


def contains(budget: Budget, value: Any, within: Any) -> bool:
    """Whether a list has the item, an object the key, a text the part."""
    if not isinstance(within, list | str | Mapping):
        raise TemplateFault(f"{kind_of(within)} contains nothing; expected a list")
    if isinstance(within, str):
        budget.text(len(within))
        return text_of(value) in within
    if isinstance(within, Mapping):
        return isinstance(value, str) and value in within
    budget.whole(within)
    return bool(value in within)


def _whole_or_false(check: Callable[[int], bool]) -> Filter:
    return lambda budget, value: check(whole_of(value))


def _divisible(budget: Budget, value: Any, by: Any) -> bool:
    if whole_of(by) == 0:
        raise TemplateFault("nothing is divisible by 0")
    return bool(whole_of(value) % by == 0)


def _is_text(check: Callable[[str], bool]) -> Filter:
    return lambda budget, value: check(text_of(value))


_equal = _compared(lambda a, b: a == b)
_differs = _compared(lambda a, b: a != b)
_less, _at_most = _compared(lambda a, b: a < b), _compared(lambda a, b: a <= b)
_more, _at_least = _compared(lambda a, b: a > b), _compared(lambda a, b: a >= b)

TESTS: Mapping[str, Filter] = {
    "defined": lambda budget, value: True,
    "undefined": lambda budget, value: False,
    "true_value": lambda budget, value: bool(value),
    "none": lambda budget, value: value is None,
    "true": lambda budget, value: value is True,
    "false": lambda budget, value: value is False,
    "boolean": lambda budget, value: isinstance(value, bool),
    "number": lambda budget, value: is_number(value),
    "integer": lambda budget, value: is_number(value) and isinstance(value, int),
    "float": lambda budget, value: isinstance(value, float),
    "string": lambda budget, value: isinstance(value, str),
    "mapping": lambda budget, value: isinstance(value, Mapping),
    "sequence": lambda budget, value: isinstance(value, list | str),
    "even": _whole_or_false(lambda value: value % 2 == 0),
    "odd": _whole_or_false(lambda value: value % 2 == 1),
    "divisibleby": _divisible,
    "lower": _is_text(str.islower),
    "upper": _is_text(str.isupper),
    "in": contains,
    **dict.fromkeys(("eq", "equalto", "=="), _equal),
    **dict.fromkeys(("ne", "!="), _differs),
    **dict.fromkeys(("lt", "lessthan", "<"), _less),
    **dict.fromkeys(("le", "<="), _at_most),
    **dict.fromkeys(("gt", "greaterthan", ">"), _more),
    **dict.fromkeys(("ge", ">="), _at_least),
}
"""The tests by the names that templates use (`is even`, `select("gt", 3)`)."""
