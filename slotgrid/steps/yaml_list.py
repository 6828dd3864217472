"""A YAML file that is a list of named definitions, with the line of each fault."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from slotgrid.core.errors import InvalidSubmission
from slotgrid.steps.yaml_text import YamlFault, parse

FAULTS_SHOWN = 20


class Named(Protocol):
    """A definition. Names are unique in a file."""

    @property
    def name(self) -> str:
        """The name."""


Item = TypeVar("Item", bound=Named)


class YamlListFault(ValueError):
    """The file cannot be used; the text has all faults, each with its line."""


def parse_list(content: bytes, read: Callable[[object], Item], *, what: str) -> tuple[Item, ...]:
    """The definitions of a file. `read` raises InvalidSubmission; `what` is "a list of …".

    Raises YamlListFault.
    """
    try:
        document = parse(content)
    except YamlFault as fault:
        raise YamlListFault(f"line {fault.line}: {fault.message}") from fault
    given = [] if document.value is None else document.value
    if not isinstance(given, list):
        raise YamlListFault(f"expected {what}")
    found: dict[str, Item] = {}
    faults: list[str] = []
    for index, item in enumerate(given):
        try:
            one = read(item)
        except InvalidSubmission as invalid:
            for wrong in invalid.errors:
                line = document.line(f"/{index}{wrong.pointer}")
                of = wrong.pointer.removeprefix("/").replace("/", ".")
                faults.append(f"line {line}: {f'`{of}` ' if of else ''}{wrong.message}")
            continue
        if one.name in found:
            line = document.line(f"/{index}/name")
            faults.append(f'line {line}: the name "{one.name}" is here twice')
        found[one.name] = one
    if faults:
        more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        raise YamlListFault("; ".join(faults[:FAULTS_SHOWN]) + more)
    return tuple(found.values())
