"""Each shipped function has a page: what the generator writes, and answers that are real."""

from collections.abc import Iterator

import pytest

from slotgrid.core.spec import FunctionSpec
from tests.docs import function_pages
from tests.docs.function_examples import EXAMPLES, SITE
from tests.docs.reader import Reader, worker
from tests.docs.tables import shipped_specs
from tests.functions.test_folder import SHIPPED
from tests.harness.processes.home import Home, home

__all__ = ["home"]

REMEDY = (
    "the page is out of date: run `make docs` (or .venv/bin/python -m tests.docs.function_pages)"
)


@pytest.fixture(scope="module")
def specs() -> dict[str, FunctionSpec]:
    """The shipped functions, by name."""
    return {spec.name: spec for spec in shipped_specs()}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_page_is_what_its_function_says(specs: dict[str, FunctionSpec], name: str) -> None:
    written = function_pages.path_of(name).read_text(encoding="utf-8")
    made = function_pages.page(specs[name], function_pages.written_answers(name))
    assert written == made, REMEDY


def test_the_index_lists_every_page(specs: dict[str, FunctionSpec]) -> None:
    index = function_pages.FOLDER / "README.md"
    assert index.read_text(encoding="utf-8") == function_pages.index(list(specs.values())), REMEDY
    pages = {page.stem for page in function_pages.FOLDER.glob("*.md")} - {"README"}
    assert pages == set(specs) == set(EXAMPLES)


@pytest.fixture
def site() -> Iterator[str]:
    """The small site that the examples read."""
    with function_pages.served_site() as address:
        yield address


@pytest.mark.timeout(400)  # each command starts a Python of its own
def test_every_example_answers_as_its_page_says(home: Home, site: str) -> None:
    with worker(home) as started:
        reader = Reader(started, {SITE: site})
        for name in sorted(SHIPPED):
            compared = 0
            for promised, shown in reader.follows(function_pages.path_of(name)):
                assert shown == promised, f"{name}: {REMEDY}"
                assert '"success":false' not in shown
                compared += 1
            assert compared == len(EXAMPLES[name])
