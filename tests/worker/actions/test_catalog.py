"""Every action of every module is known, and can be found by its name."""

from importlib import import_module
from pkgutil import iter_modules

import pytest

import worker.actions
from worker.actions.action import actions_of
from worker.actions.catalog import THEMES, actions


@pytest.mark.parametrize("name", [one.name for one in iter_modules(worker.actions.__path__)])
def test_a_module_with_actions_is_a_theme(name: str) -> None:
    module = import_module(f"worker.actions.{name}")
    assert not actions_of(module) or module in THEMES


def test_the_catalog_has_all_of_them_once() -> None:
    names = [one.name for theme in THEMES for one in actions_of(theme)]
    assert sorted(names) == sorted(actions())


@pytest.mark.parametrize("name", actions())
def test_an_action_is_described(name: str) -> None:
    action = actions()[name]
    assert action.description.endswith(".")
    for parameter, schema in action.input.document["properties"].items():
        alternatives = [schema, *schema.get("anyOf", [])]
        assert any("description" in one or "$ref" in one for one in alternatives), parameter
