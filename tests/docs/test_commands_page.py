"""The page of the function `commands`: its requests answer as it says."""

import pytest

from tests.docs.function_examples import SITE
from tests.docs.function_pages import served_site
from tests.docs.pages import DOCS
from tests.docs.reader import Reader, worker
from tests.harness.processes.home import Home, home
from worker.recipes.commands import COMMAND_S, MOST_COMMANDS, NOT_COMMANDS, TASK_S

__all__ = ["home"]

PAGE = DOCS / "commands.md"


@pytest.mark.timeout(200)
def test_every_request_answers_as_the_page_says(home: Home) -> None:
    with served_site() as site, worker(home) as started:
        answers = list(Reader(started, {SITE: site}).follows(PAGE))
    assert len(answers) == 3
    for promised, shown in answers:
        assert shown == promised


def test_its_limits_are_those_of_the_function() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"1 to {MOST_COMMANDS:,} commands." in text
    assert f"at most {TASK_S:,.0f}; {COMMAND_S:g} if left out" in text
    assert f"{COMMAND_S:g} s for each command" in text
    for name in NOT_COMMANDS:
        assert f"`{name}`" in text
