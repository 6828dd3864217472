"""docs/recipes.md: its recipes pass the check of the worker, its templates give what it says."""

import json
import re
from pathlib import Path

import pytest

from slotgrid.core.schema import Schema
from slotgrid.steps.checking import check
from slotgrid.steps.filters import FILTERS
from slotgrid.steps.reading import read_steps
from slotgrid.steps.templates import compile_template
from slotgrid.steps.value_tests import TESTS
from tests.docs.function_examples import SITE
from tests.docs.function_pages import served_site
from tests.docs.pages import DOCS
from tests.docs.reader import Reader, worker
from tests.harness.processes.home import Home, home
from worker.actions.catalog import actions

__all__ = ["home"]

PAGE = Path("docs/recipes.md").read_text()
RECIPES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ROWS = re.findall(r"^\| `(.*\{\{.*)` \| `(.*)` \|$", PAGE, re.MULTILINE)
INPUT = {
    "n": 3,
    "name": "Ada",
    "tags": ["a", "b"],
    "none": None,
    "rows": [{"price": "2"}, {"price": "10"}],
}


class Actions:
    def names(self) -> list[str]:
        return list(actions())

    def schema(self, name: str) -> Schema | None:
        return actions()[name].input if name in actions() else None


@pytest.mark.parametrize("text", RECIPES)
def test_each_recipe_of_the_page_passes_the_check(text: str) -> None:
    assert check(read_steps(text.encode()), Actions()) == []


@pytest.mark.parametrize(("template", "value"), ROWS)
def test_each_template_of_the_page_gives_its_value(template: str, value: str) -> None:
    compiled = compile_template(template.replace("\\|", "|"))
    assert compiled.render({"input": INPUT}) == json.loads(value)


@pytest.mark.timeout(200)
def test_every_request_answers_as_the_page_says(home: Home) -> None:
    with served_site() as site, worker(home) as started:
        answers = list(Reader(started, {SITE: site}).follows(DOCS / "recipes.md"))
    assert len(answers) == 5
    for promised, shown in answers:
        assert shown == promised


def test_the_page_has_its_examples() -> None:
    assert len(RECIPES) == 6
    assert len(ROWS) == 13


def test_the_page_names_all_filters_and_tests() -> None:
    filters = set(re.findall(r"[a-z_]+", PAGE.split("## Filters and tests")[1].split("Tests:")[0]))
    assert filters >= {*FILTERS, "default"}
    words = PAGE.split("Tests: `")[1].split("`")[0].split()
    aliases = {"equalto", "lessthan", "greaterthan", "true_value"}
    assert set(words) == {name for name in TESTS if name.isidentifier()} - aliases
