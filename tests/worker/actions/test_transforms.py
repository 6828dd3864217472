"""Values out of texts: numbers as people write them, addresses, lines, JSON."""

from typing import Any

import pytest

from worker.actions.transforms import Transform, number_in, transformed


@pytest.mark.parametrize(
    ("text", "whole", "number"),
    [
        ("1.234,50 €", False, 1234.5),
        ("$1,234.50", False, 1234.5),
        ("EUR 1 234,5", False, 1234.5),
        ("-7", True, -7),
        ("\u22127", True, -7),
        ("+7", False, 7.0),
        ("12.5", True, None),
        ("12.0", True, 12),
        ("1,234", True, 1234),
        ("1,234", False, 1234.0),
        ("1.234", False, 1.234),
        ("1.234", True, 1234),
        ("1.234.567", False, 1234567.0),
        ("1,5", False, 1.5),
        ("1.2.3", False, None),
        ("1,2,3", False, None),
        ("1,2.3,4", False, None),
        ("none", False, None),
        ("", True, None),
        ("3 of 7", True, None),
    ],
)
def test_a_number_is_read_or_is_none(text: str, whole: bool, number: float | None) -> None:
    assert number_in(text, whole=whole) == number


@pytest.mark.parametrize(
    ("text", "transforms", "value"),
    [
        ("  A b ", ["trim"], "A b"),
        (" A b ", ["trim", "lower"], "a b"),
        ("a", ["upper"], "A"),
        ("No. 12-34", ["digits"], "1234"),
        (" one \n\n two ", ["lines"], ["one", "two"]),
        ('{"a": [1]}', ["json"], {"a": [1]}),
        ("{", ["json"], None),
        (" x.html ", ["url"], "http://site.example/a/x.html"),
        ("http://[", ["url"], None),
        ("7 pieces", ["int"], 7),
        ("7", ["int", "upper"], 7),
    ],
)
def test_transforms_follow_each_other(text: str, transforms: list[Transform], value: Any) -> None:
    assert transformed(text, transforms, "http://site.example/a/b") == value
