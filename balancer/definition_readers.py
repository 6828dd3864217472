"""Readers of members that definitions of schedules and hooks share."""

import re
from enum import StrEnum
from typing import TypeVar

from slotgrid.core.errors import InvalidSubmission, Violation
from slotgrid.core.json_readers import Reader, Wrong, kind_of, read_text

NAME_MOST = 200
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_MOST - 1}}}", re.ASCII)

Choice = TypeVar("Choice", bound=StrEnum)


def read_name(value: object) -> str:
    """A name that a path can have as one part."""
    name = read_text(value)
    if not NAME.fullmatch(name):
        raise Wrong.because(
            f"expected at most {NAME_MOST} letters, digits, `.`, `_` and `-`, the first of them a "
            "letter or digit"
        )
    return name


def choice_of(choices: type[Choice]) -> Reader:
    """A reader of one of the choices."""

    def read(value: object) -> Choice:
        text = read_text(value)
        try:
            return choices(text)
        except ValueError:
            raise Wrong.because(f'must be one of {", ".join(choices)}, got "{text}"') from None

    return read


def read_flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Wrong.because(f"expected true or false, got {kind_of(value)}")
    return value


def invalid(faults: list[Violation], what: str) -> InvalidSubmission:
    """The error for a definition with these faults; `what` is called faulty if no member is."""
    first = f"{faults[0].pointer or what}: {faults[0].message}"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return InvalidSubmission(first + more, errors=faults)
