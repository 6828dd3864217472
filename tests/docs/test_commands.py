"""The commands of the documentation are run, in its order, and its answers are the real ones."""

from pathlib import Path

import pytest

from tests.docs.pages import DOCS, README
from tests.docs.reader import Reader
from tests.system.home import Home, home
from tests.system.workers import running_worker

__all__ = ["home"]


@pytest.mark.parametrize(
    ("page", "at_least"),
    [(README, 9), (DOCS / "functions.md", 11), (DOCS / "api.md", 5)],
    ids=lambda value: getattr(value, "name", None),
)
def test_every_command_answers_as_the_page_says(home: Home, page: Path, at_least: int) -> None:
    compared = 0
    with running_worker(home) as worker:
        for promised, shown in Reader(worker).follows(page):
            assert shown == promised
            compared += 1
    assert compared >= at_least
