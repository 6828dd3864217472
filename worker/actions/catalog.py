"""Every action, by name."""

from collections.abc import Mapping
from functools import cache
from types import ModuleType

from worker.actions import (
    capture,
    cookies,
    data,
    debugging,
    downloads,
    emulation,
    files,
    forms,
    http,
    inspecting,
    navigation,
    network,
    network_captures,
    reading,
    recording,
    scrolling,
    storage,
    tabs,
    waiting,
)
from worker.actions import input as inputs
from worker.actions.action import Action, actions_of

THEMES: tuple[ModuleType, ...] = (
    navigation,
    waiting,
    inputs,
    forms,
    scrolling,
    reading,
    inspecting,
    capture,
    recording,
    network,
    network_captures,
    cookies,
    storage,
    http,
    emulation,
    debugging,
    tabs,
    downloads,
    files,
    data,
)
"""The modules with actions, in the order of the documentation."""


@cache
def actions() -> Mapping[str, Action]:
    """Every action by its name, in the order of the themes. Built at the first call."""
    found: dict[str, Action] = {}
    for theme in THEMES:
        for one in actions_of(theme):
            if one.name in found:
                raise ValueError(f"{theme.__name__} defines {one.name} again")
            found[one.name] = one
    return found
