"""Which distribution this is, since what it calls Chromium differs."""

import pytest

from scripts.debian import distribution


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ({"ID": "debian"}, "debian"),
        ({"ID": "raspbian", "ID_LIKE": "debian"}, "debian"),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "ubuntu"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "ubuntu"),
        ({"ID": "fedora"}, ""),
        ({}, ""),
    ],
)
def test_a_distribution_is_known_by_itself_or_by_what_it_derives_from(
    release: dict[str, str], expected: str
) -> None:
    assert distribution(release) == expected
