"""A file of steps as it was read: a recipe (actions in one slot) or a flow (tasks of functions)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from slotgrid.core.schema import Schema
from slotgrid.steps.templates import Condition, Template
from slotgrid.steps.yaml_text import Document

Kind = Literal["recipe", "flow"]

ITEMS_MOST = 10_000
"""Items of a `for_each`, rounds of a `repeat`."""
ROUNDS = 1000
"""Rounds of a `repeat` that does not say how many."""
STEPS_MOST = 1000
"""Steps of a file, nested ones included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Runs a step again and again, `most` times at most.

    `condition` ends it: with `until` once it holds, checked after each round; with `while` once it
    does not, checked before each. Without a condition there are `most` rounds.
    """

    condition: Condition | None = None
    until: bool = False
    most: int = ROUNDS
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a step that fails is run, and the pauses between the attempts."""

    attempts: int = 3
    delay_s: float = 1.0
    exponential: bool = True
    factor: float = 2.0
    max_delay_s: float = 60.0
    jitter: float = 0.0

    def pause_s(self, attempt: int, spread: float) -> float:
        """Seconds between a failed attempt (from 1) and the next. `spread`: random, 0 to 1."""
        # The exponent is bounded by `attempts`, so the power is, too.
        grown = self.delay_s * (self.factor ** (attempt - 1) if self.exponential else 1.0)
        return min(grown, self.max_delay_s) * (1 + self.jitter * (2 * spread - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: exactly one of `action`, `function` and nested `steps` is its work."""

    name: str
    """As templates read it: hyphens are underscores."""
    at: str
    """JSON pointer into the file."""
    line: int
    action: str | None = None
    function: str | None = None
    steps: tuple["Step", ...] = ()
    given: Template = field(default_factory=lambda: Template({}))
    """`with`: the parameters of the action, or the function's input."""
    status: Template | None = None
    when: Condition | None = None
    for_each: Template | None = None
    repeat: Repeat | None = None
    retry: Retry | None = None
    timeout_s: float | None = None
    continue_on_error: bool = False
    record: Mapping[str, Any] | None = None
    """Options of the recording; empty for `record: true`; None without one. Recipes only."""
    group: str | None = None
    """The group of the function. Flows only, as the following."""
    needs: tuple[str, ...] | None = None
    """The steps to wait for; None: the step before this one."""
    sequential: bool = False
    """Whether the items of `for_each` wait for each other."""

    def walk(self) -> Iterator["Step"]:
        """This step and all steps in it, in the order of the file."""
        yield self
        for step in self.steps:
            yield from step.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """What the end of a flow starts: a task outside of the flow's outcome."""

    function: str
    at: str
    """JSON pointer into the file."""
    line: int
    group: str | None = None
    given: Template = field(default_factory=lambda: Template({}))
    """The function's input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsFile:
    """A recipe or a flow. None means that the default of functions applies."""

    kind: Kind
    description: str = ""
    input: Schema
    output: Schema | None = None
    steps: tuple[Step, ...]
    result: Template | None = None
    """`return`; None: the outputs of the steps by their names."""
    modes: tuple[str, ...] | None = None
    timeout_s: float | None = None
    pool: str | None = None
    isolation: str | None = None
    retries: int = 0
    secrets: tuple[str, ...] = ()
    setup: str | None = None
    """The function that prepares the same context, before the steps."""
    browser: Mapping[str, Any] = field(default_factory=dict)
    """Options of the browser context."""
    on_success: Handler | None = None
    on_error: Handler | None = None
    on_cancel: Handler | None = None
    group: str | None = None
    """The group that offers the flow and runs its steps. Flows only, as the contract."""
    contract: int | None = None
    document: Document = field(repr=False)

    def walk(self) -> Iterator[Step]:
        """All steps, nested ones included, in the order of the file."""
        for step in self.steps:
            yield from step.walk()
