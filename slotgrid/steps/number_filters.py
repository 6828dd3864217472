"""Filters of numbers. Unlike Jinja2's, `int` and `float` refuse other values than numbers."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from slotgrid.steps.budget import Budget
from slotgrid.steps.faults import TemplateFault
from slotgrid.steps.filter_arguments import NOTHING, Filter, number_of, whole_of
from slotgrid.steps.values import checked_number, shown

_PRECISION_MOST = 15


def _abs(budget: Budget, value: Any) -> Any:
    return abs(number_of(value))


def _int(budget: Budget, value: Any, default: Any = NOTHING) -> Any:
    return _converted(value, default, _whole_part, "a whole number")


def _whole_part(value: Any) -> int:
    if isinstance(value, str):
        text = value.strip()
        return int(text) if text.lstrip("+-").isdecimal() else int(float(text))
    return int(value)


def _float(budget: Budget, value: Any, default: Any = NOTHING) -> Any:
    return _converted(value, default, float, "a number")


def _converted(value: Any, default: Any, convert: Callable[[Any], Any], what: str) -> Any:
    try:
        if isinstance(value, str) and len(value) > 1000:
            raise ValueError  # noqa: TRY301  no number has so many digits
        if not isinstance(value, str | int | float) or (isinstance(value, str) and "_" in value):
            raise ValueError  # noqa: TRY301
        return checked_number(convert(value))
    except (ValueError, OverflowError) as cause:
        if default is not NOTHING:
            return default
        raise TemplateFault(f"{shown(value)} is not {what}") from cause


def _round(budget: Budget, value: Any, precision: Any = 0, method: Any = "common") -> Any:
    number = number_of(value)
    if not -_PRECISION_MOST <= whole_of(precision) <= _PRECISION_MOST:
        raise TemplateFault(f"`precision` must be -{_PRECISION_MOST} to {_PRECISION_MOST}")
    if method not in {"common", "ceil", "floor"}:
        raise TemplateFault("`method` must be common, ceil or floor")
    if method == "common":
        return round(float(number), precision)
    factor = 10.0**precision
    return checked_number((math.ceil if method == "ceil" else math.floor)(number * factor) / factor)


def _fixed(budget: Budget, value: Any, digits: Any = 2) -> str:
    number = number_of(value)
    if not 0 <= whole_of(digits) <= _PRECISION_MOST:
        raise TemplateFault(f"`digits` must be 0 to {_PRECISION_MOST}")
    return f"{number:.{digits}f}"


NUMBER_FILTERS: Mapping[str, Filter] = {
    "abs": _abs,
    "fixed": _fixed,
    "float": _float,
    "int": _int,
    "round": _round,
}
