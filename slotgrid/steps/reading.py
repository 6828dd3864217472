"""Reads a file of steps: every fault at once, each with its line and the nearest right word."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from slotgrid.core.errors import FAULTS_LIMIT, Violation, pointer
from slotgrid.core.json_readers import (
    Reader,
    Wrong,
    kind_of,
    read_fields,
    read_string,
    read_text,
)
from slotgrid.core.schema import Schema
from slotgrid.steps.faults import Fault
from slotgrid.steps.field_readers import (
    one_of,
    read_input,
    read_isolation,
    read_modes,
    read_object,
    read_output,
    read_secrets,
    read_template,
    read_timeout,
    read_with,
    whole_between,
)
from slotgrid.steps.model import Handler, Kind, StepsFile
from slotgrid.steps.short_form import input_schema
from slotgrid.steps.step_reading import StepReader
from slotgrid.steps.yaml_text import Document, YamlFault, parse

_HANDLERS = ("on_success", "on_error", "on_cancel")
_RENAMED = {"return": "result"}

_OF_STEPS = "the functions of the steps have theirs"


def _of_recipes(instead: str) -> Reader:
    def refuse(_: object) -> Any:
        raise Wrong.because(f"works in recipes only: a flow opens no browser; {instead}")

    return refuse


_SHARED: Mapping[str, Reader] = {
    "kind": one_of("recipe", "flow"),
    "description": read_string,
    "input": read_input,
    "output": read_output,
    "modes": read_modes,
    "timeout_s": read_timeout,
    "return": read_template,
    "steps": lambda value: value,
}
_READERS: Mapping[Kind, Mapping[str, Reader]] = {
    "recipe": {
        **_SHARED,
        "retries": whole_between(0, 100),
        "secrets": read_secrets,
        "pool": read_text,
        "isolation": read_isolation,
        "setup": read_text,
        "browser": read_object,
    },
    "flow": {
        **_SHARED,
        "group": read_text,
        "contract": whole_between(1, 2**31 - 1),
        **dict.fromkeys(_HANDLERS, lambda value: value),
        "retries": _of_recipes("a step has a `retry` of its own"),
        "secrets": _of_recipes("the functions of the steps declare theirs"),
        **dict.fromkeys(("pool", "isolation", "browser"), _of_recipes(_OF_STEPS)),
        "setup": _of_recipes("make it the first step"),
    },
}
_HANDLER: Mapping[str, Reader] = {"function": read_text, "group": read_text, "input": read_with}


class StepsFault(ValueError):
    """A file of steps that is not usable, with all its faults."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def read_steps(data: bytes) -> StepsFile:
    """The recipe or flow in the bytes of a YAML file. Raises StepsFault."""
    try:
        document = parse(data)
    except YamlFault as cause:
        raise StepsFault([Fault(cause.line, "", cause.message)]) from cause
    return read_document(document)


def read_document(document: Document) -> StepsFile:
    """The recipe or flow in a parsed file. Raises StepsFault."""
    value = document.value
    if not isinstance(value, dict):
        got = "nothing" if value is None else kind_of(value)
        message = f"expected an object with `steps`, got {got}"
        raise StepsFault([Fault(document.line(""), "", message)])
    kind: Kind = "flow" if value.get("kind") == "flow" else "recipe"
    fields, faults = read_fields(value, _READERS[kind], required="steps")
    reader = StepReader(kind, document)
    if "steps" in fields:
        fields["steps"] = reader.read(fields["steps"], "/steps")
    found = [*faults, *reader.faults]
    for name in _HANDLERS:
        if name in fields:
            fields[name] = _handler(fields[name], pointer([name]), document, found)
    if found:
        raise StepsFault(faults_of(document, found))
    fields.setdefault("input", _no_input())
    fields |= {"kind": kind, "description": " ".join(fields.get("description", "").split())}
    renamed: dict[str, Any] = {_RENAMED.get(name, name): part for name, part in fields.items()}
    return StepsFile(**renamed, document=document)


def _handler(value: object, at: str, document: Document, found: list[Violation]) -> Handler | None:
    """What a flow's end starts; None with its faults added to `found`."""
    if not isinstance(value, dict):
        message = f"expected an object with `function` and `input`, got {kind_of(value)}"
        found.append(Violation(at, message))
        return None
    fields, faults = read_fields(value, _HANDLER, required="function")
    found += [Violation(at + fault.pointer, fault.message) for fault in faults]
    if faults:
        return None
    given = {"given" if name == "input" else name: part for name, part in fields.items()}
    return Handler(at=at, line=document.line(at), **given)


@cache
def _no_input() -> Schema:
    return Schema(input_schema(None))


def faults_of(document: Document, found: Iterable[Violation]) -> list[Fault]:
    """The faults with their lines, in the order of the file, FAULTS_LIMIT at most."""
    faults = [Fault(document.line(one.pointer), one.pointer, one.message) for one in found]
    return sorted(faults, key=lambda fault: fault.line)[:FAULTS_LIMIT]
