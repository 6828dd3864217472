"""The tables of other systems' words name actions and parameters that exist."""

from collections.abc import Iterator

import pytest

from slotgrid.imports.counterparts import Counterpart
from slotgrid.imports.moonsurf_tools import OLD_TOOLS, OTHER_SPELLINGS, TOOLS
from slotgrid.imports.webtask_words import WORDS
from worker.actions.catalog import actions


def counterparts() -> Iterator[tuple[str, Counterpart]]:
    """Every row of both tables, by its words."""
    yield from WORDS.items()
    for tool, deeds in TOOLS.items():
        for deed, counterpart in deeds.items():
            yield f"{tool} {deed}".strip(), counterpart


ROWS = dict(counterparts())


@pytest.mark.parametrize("words", ROWS)
def test_every_action_and_parameter_exists(words: str) -> None:
    counterpart = ROWS[words]
    for name in counterpart.actions:
        assert name in actions(), f"no action {name}"
    for word, parameter in counterpart.parameters.items():
        if not parameter.to or not counterpart.actions:
            continue
        action, _, inner = parameter.to.rpartition(".")
        if action in {"repeat", "paper"}:
            continue
        name = action or counterpart.actions[0]
        if parameter.to in counterpart.keys:
            continue
        assert inner in actions()[name].input.document["properties"], f"{word}: {name}.{inner}"


def test_a_row_without_an_action_or_a_key_says_why() -> None:
    silent = [words for words, row in ROWS.items() if not (row.actions or row.keys or row.note)]
    assert silent == []


def test_a_parameter_without_a_counterpart_says_why() -> None:
    silent = [
        f"{words} {name}"
        for words, row in ROWS.items()
        for name, one in row.parameters.items()
        if (not one.to or one.conversion == "by_value") and not one.note
    ]
    assert silent == []


def test_all_words_of_webtasks_have_a_row() -> None:
    words = (
        "goto wait wait-for sendkeys action set read-file scroll-until-stable screenshot js pdf "
        "snapshot html-to-pdf emulate record capture-network console wait-for-network-idle "
        "get-cookies set-cookies http-request export return loop call save-html extract "
        "emit-event download-each save-captures-to-dir for-each write-files"
    )
    assert set(WORDS) == set(words.split())
    assert len(WORDS) == 32


def test_all_tools_of_moonsurf_have_rows() -> None:
    assert set(TOOLS) == {
        *("browser_instance", "browser_tab", "browser_navigate", "browser_content"),
        *("browser_interact", "browser_execute", "browser_network", "browser_emulate"),
        *("browser_debug", "sleep"),
    }
    assert len(OLD_TOOLS) + len({"browser_navigate"}) == 51
    for tool, deed in [*OLD_TOOLS.values(), *((t, to) for (t, _), to in OTHER_SPELLINGS.items())]:
        assert deed in TOOLS[tool]
