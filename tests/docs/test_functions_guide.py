"""The guide for authors names all that there is, and its example of a test is one."""

import inspect
import re
from typing import Any

from slotgrid import function as author
from tests.docs.pages import DOCS, blocks, table_after
from tests.functions.conftest import context
from tests.functions.fakes import RecordingContext
from tests.harness.chromium import browser
from tests.site.fixtures import Site, site

__all__ = ["browser", "context", "site"]

GUIDE = DOCS / "functions.md"


def named(heading: str) -> set[str]:
    """The names in the first column of the table below a heading."""
    cells = [row.split("|")[1] for row in table_after(GUIDE, heading)[2:]]
    return {name for cell in cells for name in re.findall(r"`(?:await )?(\w+)", cell)}


def test_every_option_of_the_decorator_is_in_the_table() -> None:
    parameters = inspect.signature(author.function).parameters.values()
    options = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}
    assert named("## Options") == options


def test_all_that_a_context_offers_is_in_the_table() -> None:
    offered = {name for name in vars(author.Context) if not name.startswith("_")}
    assert named("## The context") == offered


async def test_the_example_of_a_test_passes(context: RecordingContext, site: Site) -> None:
    (example,) = [block for block in blocks(GUIDE) if "async def test_" in block.text]
    scope: dict[str, Any] = {}
    exec(example.text, scope)
    await scope["test_a_page_has_its_title"](context, site)
