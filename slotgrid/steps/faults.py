"""Faults of a file of steps and of its templates, with the nearest right word."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

SHOWN_MOST = 5
"""Faults that one text has."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a file: its line (from 1), the JSON pointer of the part, and a sentence."""

    line: int
    pointer: str
    message: str

    def __str__(self) -> str:
        at = f"{self.pointer}: " if self.pointer else ""
        return f"line {self.line}: {at}{self.message}"


def in_words(faults: Sequence[Fault]) -> str:
    """The first faults of a file, in one text."""
    text = "; ".join(str(fault) for fault in faults[:SHOWN_MOST])
    more = len(faults) - SHOWN_MOST
    return f"{text}; and {more} more" if more > 0 else text


class TemplateFault(ValueError):
    """A template that is not valid, or that a scope cannot fill; the text names the template.

    `pointer` leads to the text within the value that has the template.
    """

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.pointer = pointer


class NotDefined(TemplateFault):
    """A name, key or item that is not there; `default` and the test `defined` answer it."""


def nearest(word: str, known: Iterable[object]) -> str:
    """`; did you mean "..."?` for the known word that is most like this one; else empty."""
    # The comparison's cost grows with both, and no typing error has megabytes.
    words = [one for one in islice(known, 1000) if isinstance(one, str) and len(one) <= 100]
    near = difflib.get_close_matches(word, words, n=1) if len(word) <= 64 else []
    return f'; did you mean "{near[0]}"?' if near else ""
