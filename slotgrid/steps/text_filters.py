"""Filters of texts."""

import html
import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from jinja2 import filters as jinja

from slotgrid.steps.budget import CALL, Budget
from slotgrid.steps.environment import ENVIRONMENT
from slotgrid.steps.faults import TemplateFault
from slotgrid.steps.filter_arguments import Filter, text_of, whole_of
from slotgrid.steps.values import as_json, as_text

_SLOW_CHARACTER = 100
"""The cost of a character that Python code visits, not C."""


def _of_text(change: Callable[[str], str]) -> Filter:
    def changed(budget: Budget, value: Any) -> str:
        text = text_of(value)
        budget.text(len(text) * 8)  # as slow as that beyond ASCII
        return change(text)

    return changed


def _title(budget: Budget, value: Any) -> str:
    text = text_of(value)
    budget.spend(len(text) * _SLOW_CHARACTER + CALL)
    return jinja.do_title(text)


def _trim(budget: Budget, value: Any, chars: Any = None) -> str:
    text = text_of(value)
    if chars is not None and len(text_of(chars)) > 100:
        raise TemplateFault("`trim` takes at most 100 characters to remove")
    budget.text(len(text) * (1 + len(chars or "")))
    return text.strip(chars)


def _truncate(  # noqa: PLR0917  Jinja2's own order
    budget: Budget,
    value: Any,
    length: Any = 255,
    killwords: Any = False,
    end: Any = "...",
    leeway: Any = None,
) -> str:
    text = text_of(value)
    budget.text(len(text) + len(text_of(end)) + CALL)
    whole_of(length)
    if leeway is not None:
        whole_of(leeway)
    if length < len(end):
        raise TemplateFault(f"`length` must be at least {len(end)}, the length of `end`")
    return jinja.do_truncate(ENVIRONMENT, text, length, bool(killwords), end, leeway)


def _urlencode(budget: Budget, value: Any) -> str:
    """A string as a part of a URL; an object as a query, its texts by the rules of templates."""
    if isinstance(value, Mapping):
        budget.whole(value)
        value = {key: as_text(part, budget) for key, part in value.items()}
        length = sum(len(key) + len(part) for key, part in value.items())
        budget.spend(length * _SLOW_CHARACTER + len(value) * CALL)
        return str(jinja.do_urlencode(value))
    text = as_text(value, budget)
    budget.spend(len(text) * _SLOW_CHARACTER + CALL)
    return str(jinja.do_urlencode(text))


def _escape(budget: Budget, value: Any) -> str:
    text = as_text(value, budget)
    budget.text(len(text) * 16)  # each character may become six
    return html.escape(text)


def _replace(budget: Budget, value: Any, old: Any, new: Any, count: Any = -1) -> str:
    text, old, new = text_of(value), text_of(old), as_text(new, budget)
    budget.text(len(text) * 4 + CALL // 4)
    times = text.count(old)
    if whole_of(count) >= 0:
        times = min(times, count)
    budget.text(times * max(20, len(new)))
    return text.replace(old, new, times)


def _split(budget: Budget, value: Any, separator: Any = None, maxsplit: Any = -1) -> list[str]:
    text = text_of(value)
    if separator is not None and not text_of(separator):
        raise TemplateFault("the separator must not be empty")
    parts = len(text) // 2 + 1 if separator is None else text.count(separator) + 1
    budget.text(len(text) * 4 + CALL)
    budget.items(min(parts, maxsplit + 1) if whole_of(maxsplit) >= 0 else parts // 2)
    return text.split(separator, maxsplit)


def _string(budget: Budget, value: Any) -> str:
    return as_text(value, budget)


def _to_json(budget: Budget, value: Any, indent: Any = None) -> str:
    if indent is not None and not 0 <= whole_of(indent) <= 8:
        raise TemplateFault("`indent` must be 0 to 8")
    if indent is None:
        return as_json(value, budget)
    budget.spend(CALL * 5)  # Python's writer is slower, and the spaces are text, too
    for _ in range(10):
        budget.whole(value)
    return json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)


def _from_json(budget: Budget, value: Any) -> Any:
    text = text_of(value)
    budget.spend(len(text) * 60)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as cause:
        raise TemplateFault(f"the text is not JSON: {cause.msg} at {cause.pos}") from cause


TEXT_FILTERS: Mapping[str, Filter] = {
    "capitalize": _of_text(str.capitalize),
    "escape": _escape,
    "from_json": _from_json,
    "lower": _of_text(str.lower),
    "replace": _replace,
    "split": _split,
    "string": _string,
    "title": _title,
    "tojson": _to_json,
    "trim": _trim,
    "truncate": _truncate,
    "upper": _of_text(str.upper),
    "urlencode": _urlencode,
}
