"""Checks a file of steps before it runs: actions, parameters, and what its templates read."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from slotgrid.core.errors import Violation, pointer
from slotgrid.core.schema import Schema
from slotgrid.steps.faults import Fault, nearest
from slotgrid.steps.model import Step, StepsFile
from slotgrid.steps.node_names import Path
from slotgrid.steps.parameter_checks import parameter_faults
from slotgrid.steps.reading import faults_of
from slotgrid.steps.templates import Condition, Template, compile_template

STEP_FIELDS = ("output", "status", "error")
TASK_FIELDS = ("id", "attempt")
_LOOP_NAMES = frozenset({"item", "index"})
_NAMES = ("input", "steps", "secrets", "vars", "task")
_SET = "set"
AFTER = frozenset({"status", "result", "error"})
"""Names that the templates of `on_success`, `on_error` and `on_cancel` read, too."""


class Catalog(Protocol):
    """The actions that steps may name, or the functions."""

    def names(self) -> Sequence[str]:
        """All names."""

    def schema(self, name: str) -> Schema | None:
        """The schema of the parameters, or None for a name that there is not."""


def check(
    file: StepsFile, catalog: Catalog, other_words: Mapping[str, str] | None = None
) -> list[Fault]:
    """The faults of a file, in its order; empty if the catalog can run it.

    Constant parameters are validated by their schemas here, those with templates when they run.
    `other_words` are words that others use for names of the catalog.
    """
    return faults_of(file.document, _Checker(file, catalog, other_words or {}).faults())


SETUP = "setup"
"""The name by which steps read what the `setup` function gave."""


@dataclass(frozen=True, slots=True)
class _Readable:
    """What the templates at one place may read."""

    steps: Mapping[str, None]
    """The steps that come before, in the order of the file."""
    variables: frozenset[str] = frozenset()
    in_loop: bool = False
    more: frozenset[str] = frozenset()
    """Names that are defined at this place only."""


@dataclass(slots=True, eq=False)
class _Checker:
    """Checks one file. Steps are visited in the order in which they run."""

    file: StepsFile
    catalog: Catalog
    other_words: Mapping[str, str]
    by_name: dict[str, Step] = field(default_factory=dict)
    """All steps of the file."""
    variables: frozenset[str] = frozenset()
    """Every variable that the file sets anywhere."""

    def faults(self) -> Iterator[Violation]:
        self.by_name = {step.name: step for step in self.file.walk()}
        self.variables = frozenset(name for step in self.file.walk() for name in _set_by(step))
        readable = _Readable({} if self.file.setup is None else {SETUP: None})
        if self.file.kind == "flow":
            readable = yield from self._flow(self.file.steps, readable)
        else:
            readable = yield from self._block(self.file.steps, readable)
        after = replace(readable, more=AFTER)
        for handler in (self.file.on_success, self.file.on_error, self.file.on_cancel):
            if handler is not None:
                yield from self._template(handler.given, f"{handler.at}/input", after)
        if self.file.result is not None:
            yield from self._template(self.file.result, "/return", readable)

    def _block(
        self, steps: Sequence[Step], readable: _Readable
    ) -> Generator[Violation, None, _Readable]:
        """The faults of consecutive steps; returns the names that are readable after them."""
        for step in steps:
            yield from self._step(step, readable)
            readable = _after(step, readable)
        return readable

    def _flow(
        self, steps: Sequence[Step], readable: _Readable
    ) -> Generator[Violation, None, _Readable]:
        """The faults of a flow's steps: each reads the steps that it waits for, however far."""
        by_name = {step.name: step for step in steps}
        waits: dict[str, dict[str, None]] = {}
        before: str | None = None
        for step in steps:
            needs = step.needs if step.needs is not None else ([before] if before else [])
            waits[step.name] = {}
            for index, name in enumerate(needs):
                at = f"{step.at}/needs/{index}"
                if name == step.name:
                    yield Violation(at, "a step cannot wait for itself")
                elif name not in by_name:
                    near = nearest(name, by_name)
                    yield Violation(at, f'there is no step "{name}" beside this one{near}')
                elif name not in waits:
                    yield Violation(at, f'step "{name}" comes later; put it before this one')
                else:
                    waits[step.name] |= {**waits[name], name: None}
            seen = _Readable({**readable.steps, **waits[step.name]}, readable.variables)
            yield from self._step(step, seen)
            before = step.name
        return _Readable({**readable.steps, **dict.fromkeys(by_name)}, readable.variables)

    def _step(self, step: Step, readable: _Readable) -> Iterator[Violation]:
        """The faults of one step and of those in it.

        `when` and `status` belong to the step as a whole, not to a round of its loop.
        """
        if step.when is not None:
            yield from self._condition(step.when, f"{step.at}/when", readable)
        if step.status is not None:
            yield from self._template(step.status, f"{step.at}/status", readable)
        if step.for_each is not None:
            yield from self._template(step.for_each, f"{step.at}/for_each", readable)
            readable = replace(readable, in_loop=True)
        elif step.repeat is not None:
            readable = replace(readable, in_loop=True)
        if step.repeat is not None and step.repeat.condition is not None:
            yield from self._repeat(step, readable)
        yield from self._template(step.given, f"{step.at}/with", readable)
        if step.action is not None or step.function is not None:
            yield from self._work(step)
        yield from self._block(step.steps, readable)

    def _repeat(self, step: Step, readable: _Readable) -> Iterator[Violation]:
        """The faults of a repetition's condition. `until` also reads what a round did."""
        assert step.repeat is not None
        assert step.repeat.condition is not None
        if step.repeat.until:
            for inner in step.steps:
                readable = _after(inner, readable)
            readable = _after(step, readable)
        word = "until" if step.repeat.until else "while"
        yield from self._condition(step.repeat.condition, f"{step.at}/repeat/{word}", readable)

    def _work(self, step: Step) -> Iterator[Violation]:
        """The faults of an action's or a function's name and of its constant parameters."""
        word = "action" if step.action is not None else "function"
        name = step.action or step.function or ""
        schema = self.catalog.schema(name)
        if schema is None:
            near = self._like(name)
            yield Violation(f"{step.at}/{word}", f'there is no {word} "{name}"{near}')
            return
        yield from parameter_faults(step, schema)

    def _like(self, name: str) -> str:
        """The hint for an unknown action or function: the usual word, or those most like it."""
        if usual := self.other_words.get(name.lower()):
            return f"; did you mean {usual}?"
        names = self.catalog.names()
        if near := nearest(name, names):
            return near
        parts = [known for known in names if name.lower() in known][:3]
        return f"; did you mean {' or '.join(parts)}?" if parts else ""

    def _condition(self, condition: Condition, at: str, readable: _Readable) -> Iterator[Violation]:
        for expression in condition.expressions:
            yield from self._template(expression, at, readable)

    def _template(self, template: Template, at: str, readable: _Readable) -> Iterator[Violation]:
        """The faults of what a template reads, at the part of the value that reads it."""
        if template.is_constant:
            return
        for where, part in _parts(template, at):
            for path in sorted(part.paths):
                if message := self._unreadable(path, readable, guarded=False):
                    yield Violation(where, message)
            for path in sorted(part.guarded):
                if message := self._unreadable(path, readable, guarded=True):
                    yield Violation(where, message)

    def _unreadable(self, path: Path, readable: _Readable, *, guarded: bool) -> str:
        """Why a template cannot read a path; empty if it can."""
        name = path[0]
        if name in _LOOP_NAMES:
            rounds = f"`{name}` exists in the rounds of `for_each` and `repeat` only"
            return "" if readable.in_loop else rounds
        if name in readable.more:
            return ""
        if name not in _NAMES:
            return self._unknown_name(name, readable)
        if name == "steps" and len(path) > 1:
            return self._unreadable_step(path, readable)
        if len(path) > 1:
            return self._unknown_member(name, path[1], readable, guarded=guarded)
        return "`secrets` cannot be read as a whole" if name == "secrets" else ""

    def _unknown_name(self, name: str, readable: _Readable) -> str:
        """The message for a name that no scope has."""
        near = nearest(name, [*_NAMES, *_LOOP_NAMES, *readable.more])
        if name in readable.steps:
            near = f'; did you mean "steps.{name}"?'
        elif name in self._inputs():
            near = f'; did you mean "input.{name}"?'
        return f"`{name}` is not defined{near}"

    def _unknown_member(self, name: str, member: str, readable: _Readable, *, guarded: bool) -> str:
        """Why there is no such input, secret, variable or field of the task; empty if there is."""
        known: Mapping[str, Any] | Sequence[str] | frozenset[str]
        if name == "input":
            known, what = self._inputs(), "input"
        elif name == "secrets":
            known, what = self.file.secrets, "declared secret"
        elif name == "task":
            known, what = TASK_FIELDS, "field of `task`"
        else:
            known, what = (self.variables if guarded else readable.variables), "variable"
        if member in known or (name == "input" and not self._is_closed()):
            return ""
        if name == "vars" and member in self.variables:
            return f"`vars.{member}` is set later; `default` gives it a first value"
        return f'there is no {what} "{member}"{nearest(member, known)}'

    def _unreadable_step(self, path: Path, readable: _Readable) -> str:
        name = path[1]
        if name not in readable.steps:
            if name in self.by_name:
                return self._out_of_reach(name)
            return f'there is no step "{name}"{nearest(name, self.by_name)}'
        if len(path) > 2 and path[2] not in STEP_FIELDS:
            fields = ", ".join(STEP_FIELDS)
            meant = f"steps.{name}.output.{path[2]}"
            return f'a step has no "{path[2]}", but {fields}; did you mean "{meant}"?'
        return ""

    def _out_of_reach(self, name: str) -> str:
        step = self.by_name[name]
        around = next((one for one in self.file.walk() if step in one.steps), None)
        inside = f' is inside of the block "{around.name}", and' if around else ""
        return f'step "{name}" (line {step.line}){inside} does not come before this place'

    def _inputs(self) -> Mapping[str, Any]:
        properties = self.file.input.document.get("properties", {})
        return properties if isinstance(properties, Mapping) else {}

    def _is_closed(self) -> bool:
        """Whether the input has only members that `properties` name."""
        document = self.file.input.document
        return document.get("additionalProperties") is False and not (
            document.keys() & {"patternProperties", "$ref", "allOf", "anyOf", "oneOf"}
        )


def _after(step: Step, readable: _Readable) -> _Readable:
    """The readable names after a step; a block's inner outputs are one object."""
    variables = readable.variables.union(*(_set_by(one) for one in step.walk()))
    return replace(readable, steps={**readable.steps, step.name: None}, variables=variables)


def _set_by(step: Step) -> Sequence[str]:
    """The variables that a step sets."""
    return list(step.given.value) if step.action == _SET else ()


def _parts(template: Template, at: str) -> Iterator[tuple[str, Template]]:
    """The texts with templates in a value, each with its pointer."""
    value = template.value
    if template.is_constant:
        return
    if isinstance(value, str):
        yield at, template
        return
    for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from _parts(compile_template(part), at + pointer([key]))
