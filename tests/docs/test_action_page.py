"""Each action is documented: a description, an example, and a test that runs it."""

import pytest

from slotgrid.core.schema import Schema
from slotgrid.imports.moonsurf_tools import OLD_TOOLS, TOOLS
from slotgrid.imports.webtask_words import WORDS
from tests.docs import action_page
from worker.actions.action import Action
from worker.actions.catalog import actions


def test_the_page_is_what_the_actions_say() -> None:
    written = action_page.PAGE.read_text(encoding="utf-8")
    assert written == action_page.page(), "the page is out of date: run `make docs`"


def test_every_action_has_a_description_an_example_and_its_test() -> None:
    assert action_page.faults() == []


def test_an_action_without_them_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def bare(action: object) -> None: ...

    goto = actions()["goto"]
    lacking = Action(
        name="bare",
        theme="data",
        description="",
        input=Schema({"type": "object"}),
        output=None,
        function=bare,
        binding=goto.binding,
    )
    monkeypatch.setattr(action_page, "actions", lambda: {"goto": goto, "bare": lacking})
    assert [fault.partition(":")[0] for fault in action_page.faults()] == ["bare"] * 3


def test_every_parameter_has_a_description() -> None:
    silent = [
        f"{one.name}.{name}"
        for one in actions().values()
        for name, field in one.input.document.get("properties", {}).items()
        if "description" not in field and "$ref" not in field
    ]
    assert silent == []


def test_every_word_and_tool_has_its_row() -> None:
    text = action_page.PAGE.read_text(encoding="utf-8")
    for word in (*WORDS, *TOOLS, *OLD_TOOLS):
        assert f"| `{word}` |" in text


def test_links_of_the_page_lead_to_headings() -> None:
    text = action_page.PAGE.read_text(encoding="utf-8")
    for name in actions():
        assert f"\n### {name}\n" in text
