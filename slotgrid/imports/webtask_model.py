"""A task of webtasks, whichever of its two spellings it was written in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

LOOPS = ("for-each", "loop")
"""The words whose steps run in rounds, with names of their own."""


@dataclass(slots=True)
class WebtaskStep:
    """One step: the word of `run`, its parameters, and the steps of its `do`."""

    word: str
    line: int
    name: str = ""
    status: str = ""
    record: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)
    steps: list["WebtaskStep"] = field(default_factory=list)

    def walk(self) -> Iterator["WebtaskStep"]:
        """This step and all in it."""
        yield self
        for step in self.steps:
            yield from step.walk()


@dataclass(frozen=True, slots=True)
class WebtaskInput:
    """A declared input."""

    name: str
    line: int
    type: str = "string"
    required: bool = False
    default: Any = None
    doc: str = ""


@dataclass(slots=True)
class Webtask:
    """One task. `description` is what the comment at the head of its file says."""

    name: str
    line: int
    path: str
    pool: str = "default"
    timeout_ms: float = 0
    setup: str = ""
    description: str = ""
    inputs: list[WebtaskInput] = field(default_factory=list)
    steps: list[WebtaskStep] = field(default_factory=list)

    @property
    def time_s(self) -> float:
        """How many seconds it may run: a minute if it does not say."""
        return max(self.timeout_ms / 1000, 0.001) if self.timeout_ms > 0 else 60

    @property
    def returns(self) -> bool:
        """Whether a step of its own, in no loop, ends it with a value."""
        return any(step.word == "return" for step in in_one_scope(self.steps))


def in_one_scope(steps: Sequence[WebtaskStep]) -> Iterator[WebtaskStep]:
    """The steps whose names the steps after them see: all that are in no loop."""
    for step in steps:
        yield step
        if step.word not in LOOPS:
            yield from in_one_scope(step.steps)
