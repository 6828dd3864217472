"""Transforms of extracted texts: case, numbers, addresses, lines, JSON."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal
from urllib.parse import urljoin

import orjson

Transform = Literal[
    "trim", "lower", "upper", "int", "long", "float", "digits", "url", "lines", "json"
]

_GROUPING = re.compile(r"(?<=\d)[\s'\u2019](?=\d{3}(?!\d))")
"""A space or apostrophe in front of three digits."""
_NUMBER = re.compile(r"[^\d+\-\u2212.,]*([+\-\u2212]?\s?[.,]?\d[\d.,]*)\D*", re.ASCII)
_GROUPED = {sign: re.compile(rf"\d{{1,3}}({re.escape(sign)}\d{{3}})+") for sign in ".,"}


def transformed(text: str, transforms: Iterable[Transform], url: str) -> Any:
    """The text after each transform; `url` is the page's. None where it is no such value."""
    value: Any = text
    for one in transforms:
        if isinstance(value, str):
            value = _absolute(url, value) if one == "url" else _TEXTS[one](value)
    return value


def number_in(text: str, *, whole: bool) -> float | int | None:
    """The one number in a text, such as 1234.5 of `1.234,50 €`; None without one, or with several.

    A point or comma in front of three digits groups them, except a single point of a `float`.
    """
    found = _NUMBER.fullmatch(_GROUPING.sub("", text))
    if found is None:
        return None
    number = _plain(re.sub(r"\s", "", found[1]).replace("\u2212", "-").rstrip(".,"), whole=whole)
    if number is None:
        return None
    return int(number) if whole else float(number)


def _plain(number: str, *, whole: bool) -> str | None:
    """A number as Python reads it."""
    sign, digits = (number[0], number[1:]) if number[0] in "+-" else ("", number)
    last = max(digits, key=lambda one: digits.rfind(one) if one in ".," else -1)
    if last in ".,":
        other = "," if last == "." else "."
        is_grouped = _GROUPED[last].fullmatch(digits) is not None
        if other in digits:
            if digits.count(last) > 1:
                return None
            digits = digits.replace(other, "").replace(last, ".")
        elif is_grouped and (whole or last == "," or digits.count(last) > 1):
            digits = digits.replace(last, "")
        elif digits.count(last) > 1:
            return None
        else:
            digits = digits.replace(last, ".")
    if whole and "." in digits:
        head, _, rest = digits.partition(".")
        if rest.strip("0"):
            return None
        digits = head
    return sign + digits if digits else None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


_TEXTS: dict[Transform, Callable[[str], Any]] = {
    "trim": str.strip,
    "lower": str.lower,
    "upper": str.upper,
    "int": partial(number_in, whole=True),
    "long": partial(number_in, whole=True),
    "float": partial(number_in, whole=False),
    "digits": lambda text: re.sub(r"\D", "", text),
    "lines": _lines,
    "json": _json,
}


def _absolute(url: str, text: str) -> str | None:
    try:
        return urljoin(url, text.strip())
    except ValueError:
        return None
