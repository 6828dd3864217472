"""What the README shows beside its commands."""

from collections.abc import Callable

import pytest

from tests.docs.pages import README, ROOT, table_after
from tests.docs.tables import functions_table, settings_table


@pytest.mark.parametrize(
    ("heading", "table"),
    [("## Settings", settings_table), ("## Functions that are shipped", functions_table)],
)
def test_a_table_says_what_the_code_says(heading: str, table: Callable[[], list[str]]) -> None:
    assert table_after(README, heading) == table()


def test_the_picture_is_there_and_small() -> None:
    picture = ROOT / "docs/images/docs.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 200_000
