"""The operators of templates, on JSON values, within a budget."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes

from slotgrid.steps.budget import ITEM, Budget
from slotgrid.steps.faults import TemplateFault
from slotgrid.steps.value_tests import contains
from slotgrid.steps.values import checked_number, is_number, kind_of

_POWER_MOST = 1024
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}


def compares(name: str, left: Any, right: Any, budget: Budget) -> bool:
    """Whether a comparison holds, by Jinja2's name of it: `eq`, `lteq`, `in`, ...

    Raises TemplateFault for values without an order.
    """
    if name.endswith("in"):
        return contains(budget, left, right) is (name == "in")
    if isinstance(left, list | dict | str):
        budget.whole(left)
    try:
        return bool(_COMPARISONS[name](left, right))
    except TypeError as cause:
        raise TemplateFault(
            f"{kind_of(left)} and {kind_of(right)} have no order; `|int` and `|float` make numbers"
        ) from cause


def _add(left: Any, right: Any, budget: Budget) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        budget.text(len(left) + len(right))
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        budget.items((len(left) + len(right)) // 16 + 1)
        return left + right
    return _arithmetic("+", operator.add, left, right)


def _multiply(left: Any, right: Any, budget: Budget) -> Any:
    for value, times in ((left, right), (right, left)):
        if isinstance(value, str | list) and isinstance(times, int) and is_number(times):
            size = len(value) * max(0, times)
            budget.spend(size if isinstance(value, str) else size * ITEM)
            return value * times
    return _arithmetic("*", operator.mul, left, right)


def _power(left: Any, right: Any, budget: Budget) -> Any:
    if is_number(right) and abs(right) > _POWER_MOST:
        raise TemplateFault(f"a power above {_POWER_MOST} is too large")
    return _arithmetic("**", operator.pow, left, right)


def _arithmetic(sign: str, work: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if not (is_number(left) and is_number(right)):
        hint = "; `~` joins texts" if sign == "+" and str in {type(left), type(right)} else ""
        raise TemplateFault(f"`{sign}` does not work on {kind_of(left)} and {kind_of(right)}{hint}")
    try:
        return checked_number(work(left, right))
    except ZeroDivisionError as cause:
        raise TemplateFault("division by 0") from cause
    except OverflowError as cause:
        raise TemplateFault("the number is too large") from cause


def _plain(sign: str, work: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Budget], Any]:
    return lambda left, right, budget: _arithmetic(sign, work, left, right)


OPERATIONS: Mapping[type[nodes.BinExpr], Callable[[Any, Any, Budget], Any]] = {
    nodes.Add: _add,
    nodes.Sub: _plain("-", operator.sub),
    nodes.Mul: _multiply,
    nodes.Div: _plain("/", operator.truediv),
    nodes.FloorDiv: _plain("//", operator.floordiv),
    nodes.Mod: _plain("%", operator.mod),
    nodes.Pow: _power,
}
"""The work of each operator with two sides."""
