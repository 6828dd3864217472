"""The command line reads the values that a node reads."""

import pytest

from slotgrid.cli.yaml_values import YamlFault, read_yaml
from slotgrid.steps.yaml_text import parse

TEXT = b"""
a: on
b: 1:30
c: 2026-01-01
d: 1e3
e: ~
f:
g: TRUE
h: 0o17
i: 007
j: -7
k: 0 3 * * *
l: {x: 1_000, y: [1, null, '1', 0x1f]}
"""


def test_values_are_those_of_files_of_a_node() -> None:
    assert repr(read_yaml(TEXT)) == repr(parse(TEXT).value)


@pytest.mark.parametrize("text", [b"a: [", b"\xff", b"a: !!python/object:os.system x", b"a: *b"])
def test_what_is_no_yaml_is_a_fault(text: bytes) -> None:
    with pytest.raises(YamlFault):
        read_yaml(text)
