"""Translations of other systems' words: actions with their parameters, or a key of a step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Conversion = Literal["same", "ms_to_s", "whole", "file_name", "script", "pattern", "by_value"]
"""What becomes of a value: the same; milliseconds as seconds; a whole number; the name of a file
without its folders; a script whose `arguments` are `args`; a part of an address as a pattern; by a
rule of its own, which the note says."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of ours: of the word's first action, or of the one before a dot.

    `to` is empty where nothing of ours is needed or none does it; `note` says which.
    """

    to: str
    conversion: Conversion = "same"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Counterpart:
    """What does the work of a word: actions, in their order, or keys of a step or a recipe."""

    actions: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    note: str = ""
