"""Checks the parameters of a step by their schema, as far as they are known before it runs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from slotgrid.core.errors import Violation, pointer
from slotgrid.core.schema import Schema
from slotgrid.steps.faults import nearest
from slotgrid.steps.model import Step
from slotgrid.steps.templates import compile_template

LISTED_MOST = 20
"""Parameters that a message names."""
_BY_NAME = ("is a required property", "Additional properties are not allowed")
"""Parts of messages about names, which do not depend on values that templates give."""


def parameter_faults(step: Step, schema: Schema) -> Iterator[Violation]:
    """The faults of `with`: names, required ones, and values without templates."""
    given: Mapping[str, Any] = step.given.value
    at = f"{step.at}/with"
    known = schema.document.get("properties", {})
    if schema.document.get("additionalProperties") is False:
        for name in given:
            if name not in known:
                near = nearest(name, known) or _all_of(step, known)
                yield Violation(at + pointer([name]), f'unknown parameter "{name}"{near}')
    for name in schema.document.get("required", ()):
        if name not in given:
            yield Violation(at if given else step.at, f'the parameter "{name}" is missing')
    for violation in schema.violations(given):
        value = _at(violation.pointer, given)
        by_name = any(words in violation.message for words in _BY_NAME)
        if by_name and not violation.pointer:
            continue  # reported above, with the nearest right word
        if by_name or compile_template(value).is_constant:
            yield Violation(at + violation.pointer, violation.message + _hint(value))


def _all_of(step: Step, known: Mapping[str, Any]) -> str:
    """The parameters that there are, where none is like the one that was given."""
    names = ", ".join(islice(known, LISTED_MOST)) + (", ..." if len(known) > LISTED_MOST else "")
    return f"; {step.action or step.function} has {names or 'none'}"


def _at(at: str, value: Any) -> Any:
    """The part of a value at a JSON pointer."""
    for part in at.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, Sequence) and not isinstance(value, str) and key.isdecimal():
            value = value[int(key)]
        else:
            break
    return value


def _hint(value: Any) -> str:
    """What often is behind a null: YAML reads `selector: #price` as a comment."""
    return '; a value that begins with # needs quotes: "#..."' if value is None else ""
