"""Reads the steps of a recipe or a flow, and gives those without a name one."""

import re
from collections.abc import Mapping
from typing import Any

from slotgrid.core.errors import Violation
from slotgrid.core.json_readers import (
    UNKNOWN_FIELD,
    Reader,
    Wrong,
    kind_of,
    read_fields,
    read_text,
)
from slotgrid.steps.field_readers import (
    DAY_S,
    between,
    list_of,
    member,
    read_boolean,
    read_condition,
    read_for_each,
    read_record,
    read_repeat,
    read_retry,
    read_text_template,
    read_timeout,
    read_with,
)
from slotgrid.steps.model import STEPS_MOST, Kind, Step
from slotgrid.steps.yaml_text import Document

_NAMES: Mapping[Kind, re.Pattern[str]] = {
    "recipe": re.compile(r"[a-z][a-z0-9_]{0,63}"),
    "flow": re.compile(r"[a-z][a-z0-9_-]{0,63}"),
}
_WORK = "the step's work is named by `action`, as in {action: goto, with: {url: ...}}"
_OTHER_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("if", "condition"), "a condition is `when`"),
    **dict.fromkeys(("loop", "each", "items", "with_items"), "a loop is `for_each`"),
    **dict.fromkeys(("while", "until"), "`while` and `until` are given under `repeat`"),
    **dict.fromkeys(("id", "as", "register", "title"), "`name` names the step and its output"),
    **dict.fromkeys(("catch", "try", "on_failure"), "see `continue_on_error` and `retry`"),
}
"""Words of other tools for fields of a step, and ours."""
_NO_WORDS = re.compile(r"[^a-z0-9]+")

_SHARED: Mapping[str, Reader] = {
    "name": read_text,
    "with": read_with,
    "status": read_text_template,
    "when": read_condition,
    "for_each": read_for_each,
    "retry": read_retry,
    "continue_on_error": read_boolean,
}


def _of_flows(value: object) -> Any:
    raise Wrong.because("works in flows only; in a recipe, `action: call` runs a function")


def _of_recipes(value: object) -> Any:
    raise Wrong.because("works in recipes only; a step of a flow has a `function`")


def _no_block(value: object) -> Any:
    raise Wrong.because(
        "works in recipes only; a part of a flow is a flow of its own, which a step has as its "
        "`function`"
    )


_READERS: Mapping[Kind, Mapping[str, Reader]] = {
    "recipe": {
        **_SHARED,
        "repeat": read_repeat,
        "timeout_s": between(0, DAY_S, above=True),
        "steps": lambda value: value,
        "action": read_text,
        "record": read_record,
        **dict.fromkeys(("function", "group", "needs", "sequential"), _of_flows),
    },
    "flow": {
        **_SHARED,
        "function": read_text,
        "timeout_s": read_timeout,
        **dict.fromkeys(("repeat", "steps"), _no_block),
        "group": read_text,
        "needs": list_of(read_text),
        "sequential": read_boolean,
        **dict.fromkeys(("action", "record"), _of_recipes),
    },
}


class StepReader:
    """Reads all lists of steps of one file, and collects their faults.

    Names are unique in the file, since templates see all steps in one object.
    """

    def __init__(self, kind: Kind, document: Document) -> None:
        self.faults: list[Violation] = []
        self._kind: Kind = kind
        self._document = document
        self._count = 0
        self._names: dict[str, str] = {}
        """The pointer of the step of each name."""

    def read(self, value: object, at: str) -> tuple[Step, ...]:
        """The steps of a list; those with faults are left out."""
        if not isinstance(value, list) or not value:
            self._fault(at, f"expected a list of steps, got {_shown(value)}")
            return ()
        self._take_names(value, at)
        return self._read_list(value, at)

    def _read_list(self, value: list[Any], at: str) -> tuple[Step, ...]:
        read = [self._read_step(one, f"{at}/{index}") for index, one in enumerate(value)]
        return tuple(step for step in read if step is not None)

    def _read_step(self, value: object, at: str) -> Step | None:
        self._count += 1
        if self._count > STEPS_MOST:
            if self._count == STEPS_MOST + 1:
                self._fault(at, f"the file has more than {STEPS_MOST:,} steps")
            return None
        if not isinstance(value, dict):
            self._fault(at, f"expected a step, an object with `name`, got {kind_of(value)}")
            return None
        fields, faults = read_fields(value, _READERS[self._kind])
        faults = [_with_hint(fault, value) for fault in faults]
        faults += self._faults(value, may_lack=bool(faults))
        self.faults += [Violation(at + fault.pointer, fault.message) for fault in faults]
        nested = fields.pop("steps", None)
        steps = self._nested(nested, f"{at}/steps") if nested is not None else ()
        if faults:
            return None
        given = {"given" if name == "with" else name: part for name, part in fields.items()}
        if "needs" in given:
            given["needs"] = tuple(_as_read(name) for name in given["needs"])
        name = _as_read(given.pop("name", "")) or self._new_name(value, at)
        return Step(name=name, at=at, line=self._document.line(at), steps=steps, **given)

    def _nested(self, value: object, at: str) -> tuple[Step, ...]:
        if not isinstance(value, list) or not value:
            self._fault(at, f"expected a list of steps, got {_shown(value)}")
            return ()
        return self._read_list(value, at)

    def _faults(self, value: Mapping[str, Any], *, may_lack: bool) -> list[Violation]:
        """The faults of a step as a whole.

        `may_lack`: other faults, such as a misspelt field, may be why its work is missing.
        """
        work, other = "action", "function"
        if self._kind == "flow":
            work, other = other, work
        faults = []
        one_of = f"a step has one of `{work}` and `steps`"
        if self._kind == "flow":
            one_of = "each step of a flow has one"
        if self._kind == "recipe" and work in value and "steps" in value:
            faults.append(Violation("", f"has `{work}` and `steps`; {one_of}"))
        if not may_lack and not value.keys() & {work, other, "steps"}:
            faults.append(Violation("", f"has no `{work}`; {one_of}"))
        if "steps" in value and "with" in value:
            faults.append(member("with", f"is for a step with `{work}`, not for a block of steps"))
        if self._kind == "recipe" and "for_each" in value and "repeat" in value:
            faults.append(member("repeat", "cannot stand beside `for_each`; put one in a block"))
        if "sequential" in value and "for_each" not in value:
            faults.append(member("sequential", "is for a step with `for_each`"))
        return faults

    def _take_names(self, value: list[Any], at: str) -> None:
        """Note the names that the file gives, before steps without a name get theirs."""
        for index, step in enumerate(value):
            if not isinstance(step, dict):
                continue
            here = f"{at}/{index}"
            name = step.get("name")
            if isinstance(name, str) and name:
                self._take_name(name, here)
            if isinstance(step.get("steps"), list):
                self._take_names(step["steps"], f"{here}/steps")

    def _take_name(self, name: str, at: str) -> None:
        if not _NAMES[self._kind].fullmatch(name):
            hyphens = ", - " if self._kind == "flow" else " "
            self._fault(
                f"{at}/name",
                f'"{name[:100]}" is no name of a step: a small letter, then small letters, '
                f"digits{hyphens}and _, 64 at most",
            )
            return
        if first := self._names.get(_as_read(name)):
            line = self._document.line(first)
            self._fault(f"{at}/name", f'another step, in line {line}, has the name "{name}"')
            return
        self._names[_as_read(name)] = at

    def _new_name(self, value: Mapping[str, Any], at: str) -> str:
        """A name for a step without one: `goto`, then `goto_2`."""
        word = str(value.get("action") or value.get("function") or "block").rpartition("/")[2]
        base = _NO_WORDS.sub("_", word.lower()).strip("_")[:58]
        if not base or not base[0].isalpha():
            base = f"step_{base}".strip("_")
        name, number = base, 1
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names[name] = at
        return name

    def _fault(self, at: str, message: str) -> None:
        self.faults.append(Violation(at, message))


def _with_hint(fault: Violation, step: Mapping[str, Any]) -> Violation:
    """The fault; of an unknown field with what was meant, by the word of another tool."""
    if not fault.message.startswith(UNKNOWN_FIELD):
        return fault
    hint = _OTHER_WORDS.get(fault.pointer[1:])
    if hint is None and fault.message != UNKNOWN_FIELD:
        return fault
    if hint is None and step.keys() & {"action", "function", "steps"}:
        hint = "parameters are given under `with`"
    return Violation(fault.pointer, f"{UNKNOWN_FIELD}; {hint or _WORK}")


def _as_read(name: str) -> str:
    """A step's name as templates read it."""
    return name.replace("-", "_")


def _shown(value: object) -> str:
    return "an empty one" if value == [] else kind_of(value)
