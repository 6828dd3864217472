"""The commands of the documentation are run, in its order, and its answers are the real ones."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, README
from tests.docs.reader import Reader, Started, fleet, worker
from tests.harness.processes.home import Home, home

__all__ = ["home"]


@pytest.mark.timeout(400)  # each command starts a Python of its own
@pytest.mark.parametrize(
    ("page", "start", "at_least"),
    [
        (README, fleet, 9),
        (DOCS / "functions.md", worker, 11),
        (DOCS / "api.md", worker, 5),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_every_command_answers_as_the_page_says(
    home: Home,
    page: Path,
    start: Callable[[Home], AbstractContextManager[Started]],
    at_least: int,
) -> None:
    compared = 0
    with start(home) as started:
        for promised, shown in Reader(started).follows(page):
            assert shown == promised
            compared += 1
    assert compared >= at_least
