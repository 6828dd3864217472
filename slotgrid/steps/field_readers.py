"""Readers of fields that recipes and flows have: each returns a value or raises Wrong."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from slotgrid.core.errors import Violation, pointer
from slotgrid.core.json_readers import (
    Reader,
    Wrong,
    kind_of,
    read_fields,
    read_number,
    read_text,
    read_whole,
)
from slotgrid.core.schema import Schema, SchemaFault
from slotgrid.steps.faults import TemplateFault
from slotgrid.steps.model import ITEMS_MOST, ROUNDS, Repeat, Retry
from slotgrid.steps.short_form import TYPES, ShortFormFault, input_schema, is_schema
from slotgrid.steps.templates import Condition, Template, compile_condition, compile_template

DAY_S = 86_400.0
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_MODES = ("sync", "stream", "webhook", "async")
_ISOLATIONS = ("context", "reset", "persistent")


def read_template(value: object) -> Template:
    """A value whose strings may have templates."""
    try:
        return compile_template(value)
    except TemplateFault as fault:
        raise Wrong(Violation(fault.pointer, fault.message)) from fault


def read_condition(value: object) -> Condition:
    """The expression of `when`, `while` or `until`."""
    try:
        return compile_condition(value)
    except TemplateFault as fault:
        raise Wrong(Violation(fault.pointer, fault.message)) from fault


def read_text_template(value: object) -> Template:
    """A text that may have templates."""
    read_text(value)
    return read_template(value)


def read_with(value: object) -> Template:
    """The object of `with`; null is an empty one."""
    if value is None:
        return Template({})
    if not isinstance(value, dict):
        raise Wrong.because(f"expected an object: the parameters by name, got {kind_of(value)}")
    return read_template(value)


def read_for_each(value: object) -> Template:
    """A list, or one template that gives one."""
    if isinstance(value, list):
        if len(value) > ITEMS_MOST:
            raise Wrong.because(f"has {len(value):,} items, more than {ITEMS_MOST:,}")
        return read_template(value)
    if isinstance(value, str):
        template = read_template(value)
        if template.keeps_type:
            return template
    raise Wrong.because(
        'expected a list, or one template that gives one: "{{ steps.rows.output }}"'
    )


def read_boolean(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Wrong.because(f"expected true or false, got {kind_of(value)}")
    return value


def read_record(value: object) -> Mapping[str, Any] | None:
    """True, or the options of a recording."""
    if isinstance(value, dict):
        return value
    return {} if read_boolean(value) else None


def between(low: float, high: float, *, above: bool = False) -> Reader:
    """A reader of numbers from `low` (or only above it) to `high`."""

    def read(value: object) -> float:
        number = read_number(value)
        if not low <= number <= high or (above and number == low):
            start = f"above {low:g}" if above else f"{low:g}"
            raise Wrong.because(f"must be {start} to {high:g}, got {number:g}")
        return number

    return read


def whole_between(low: int, high: int) -> Reader:
    """A reader of whole numbers from `low` to `high`."""

    def read(value: object) -> int:
        number = read_whole(value)
        if not low <= number <= high:
            raise Wrong.because(f"must be {low:,} to {high:,}, got {number:,}")
        return number

    return read


def one_of(*choices: str) -> Reader:
    """A reader of one of these words."""

    def read(value: object) -> str:
        text = read_text(value)
        if text not in choices:
            raise Wrong.because(f'must be one of {", ".join(choices)}, got "{text[:100]}"')
        return text

    return read


def list_of(read: Reader) -> Callable[[object], tuple[Any, ...]]:
    """A reader of lists of different values."""

    def read_list(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Wrong.because(f"expected a list, got {kind_of(value)}")
        values = [at_index(index, read, one) for index, one in enumerate(value)]
        for index, one in enumerate(values):
            if one in values[:index]:
                raise Wrong(Violation(f"/{index}", f'"{one}" is here twice'))
        return tuple(values)

    return read_list


def at_index(index: int, read: Reader, value: object) -> Any:
    """The value of a list's item; its faults point to it."""
    try:
        return read(value)
    except Wrong as wrong:
        raise Wrong(
            *(Violation(f"/{index}{one.pointer}", one.message) for one in wrong.faults)
        ) from wrong


def _secret(value: object) -> str:
    name = read_text(value)
    if not _SECRET.fullmatch(name):
        raise Wrong.because("a secret's name has only letters, digits and _")
    return name


read_secrets = list_of(_secret)
read_modes = list_of(one_of(*_MODES))
read_isolation = one_of(*_ISOLATIONS)
read_timeout = between(0, 7 * DAY_S, above=True)

_REPEAT: Mapping[str, Reader] = {
    "while": read_condition,
    "until": read_condition,
    "max": whole_between(1, ITEMS_MOST),
    "pause_s": between(0, DAY_S),
}


def read_repeat(value: object) -> Repeat:
    """The object of `repeat`."""
    fields = _members(value, _REPEAT, "an object with `while` or `until`")
    if "while" in fields and "until" in fields:
        raise Wrong.because("has `while` and `until`; leave one of them out")
    if not fields.keys() & {"while", "until", "max"}:
        raise Wrong.because("needs `while`, `until` or `max`")
    return Repeat(
        condition=fields.get("while", fields.get("until")),
        until="until" in fields,
        most=fields.get("max", ROUNDS),
        pause_s=fields.get("pause_s", 0.0),
    )


_RETRY: Mapping[str, Reader] = {
    "attempts": whole_between(1, 10),
    "delay_s": between(0, 3600),
    "backoff": one_of("fixed", "exponential"),
    "factor": between(1, 10),
    "max_delay_s": between(0, 3600),
    "jitter": between(0, 1),
}


def read_retry(value: object) -> Retry:
    """The object of `retry`, or the number of attempts alone."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"attempts": value}
    fields = _members(value, _RETRY, "an object with `attempts`, or a number of attempts")
    backoff = fields.pop("backoff", "exponential")
    return Retry(**fields, exponential=backoff == "exponential")


def _members(value: object, readers: Mapping[str, Reader], expected: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong.because(f"expected {expected}, got {kind_of(value)}")
    fields, faults = read_fields(value, readers)
    if faults:
        raise Wrong(*faults)
    return fields


def read_input(value: object) -> Schema:
    """The schema of `input`, in the short form or as JSON Schema."""
    try:
        schema = Schema(input_schema(value))
    except ShortFormFault as fault:
        raise Wrong(*(Violation(at, message) for at, message in fault.faults)) from fault
    except SchemaFault as fault:
        raise Wrong.because(f"is not a valid JSON Schema: {fault}") from fault
    at = "/properties" if isinstance(value, Mapping) and is_schema(value) else ""
    if faults := list(_wrong_defaults(schema, at)):
        raise Wrong(*faults)
    return schema


def _wrong_defaults(schema: Schema, at: str) -> Iterator[Violation]:
    """The defaults that their own members refuse: every task without that input would fail.

    `at` points to the members.
    """
    document = {name: part for name, part in schema.document.items() if name != "required"}
    given = {
        name: part["default"]
        for name, part in document.get("properties", {}).items()
        if isinstance(part, Mapping) and "default" in part
    }
    for fault in Schema(document).violations(given) if given else ():
        name, slash, inner = fault.pointer[1:].partition("/")
        if name:
            here = f"{at}/{name}/default{slash}{inner}"
            yield Violation(here, f"the default cannot be used: {fault.message}")


def read_output(value: object) -> Schema:
    """The schema of `output`: JSON Schema, or the name of a type."""
    if isinstance(value, str):
        if "{{" in value:
            raise Wrong.because("is the schema of the result; the result itself is `return`")
        name = one_of(*TYPES)(value)
        value = {} if name == "any" else {"type": name}
    if not isinstance(value, dict):
        raise Wrong.because(f"expected a JSON Schema, got {kind_of(value)}")
    try:
        return Schema(value)
    except SchemaFault as fault:
        raise Wrong.because(f"is not a valid JSON Schema: {fault}") from fault


def read_object(value: object) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise Wrong.because(f"expected an object, got {kind_of(value)}")
    return value


def member(name: str, message: str) -> Violation:
    """A fault in the member of that name."""
    return Violation(pointer([name]), message)
