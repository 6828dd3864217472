"""Every page: its links lead somewhere, and its tables say what the code says."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, pages, table_after
from tests.docs.tables import metrics_table, problems_table

_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What a link may point at: the headings, as a forge names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    for target, anchor in _LINK.findall(text):
        if target.startswith(("http://", "https://")):
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


@pytest.mark.parametrize(
    ("page", "heading", "table"),
    [
        ("api.md", "## Errors", problems_table),
        ("operations.md", "## Metrics", metrics_table),
    ],
)
def test_a_table_says_what_the_code_says(
    page: str, heading: str, table: Callable[[], list[str]]
) -> None:
    assert table_after(DOCS / page, heading) == table()


def test_decisions_are_numbered_without_a_gap_and_each_says_what_and_why() -> None:
    decisions = sorted((DOCS / "decisions").glob("*.md"))
    numbers = [int(page.name[:4]) for page in decisions]
    assert numbers == list(range(1, len(decisions) + 1))
    for page in decisions:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.name[:4]} "), page.name
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], page.name
