"""Alternatives that a property tells apart: the fault is that of the one which was meant."""

from typing import Any

import pytest

from slotgrid.core.schema import Schema
from slotgrid.core.tagged_alternatives import tag_of

CIRCLE = {
    "type": "object",
    "properties": {"kind": {"const": "circle"}, "radius": {"type": "number"}},
    "required": ["kind", "radius"],
    "additionalProperties": False,
}
SQUARE = {
    "type": "object",
    "properties": {"kind": {"enum": ["square"]}, "side": {"type": "number"}},
    "required": ["kind", "side"],
}
DOCUMENT = {
    "type": "array",
    "items": {"oneOf": [{"$ref": "#/$defs/circle"}, {"$ref": "#/$defs/square"}]},
    "$defs": {"circle": CIRCLE, "square": SQUARE},
}


@pytest.mark.parametrize(
    ("value", "pointer", "message"),
    [
        ({"kind": "circle", "radius": "wide"}, "/0/radius", "'wide' is not of type 'number'"),
        ({"kind": "circle", "side": 1}, "/0", "'radius' is a required property"),
        ({"kind": "square"}, "/0", "'side' is a required property"),
        ({"kind": "sphere"}, "/0/kind", "'sphere' is not one of ['circle', 'square']"),
        ({"radius": 1}, "/0", "'kind' is a required property"),
        (7, "/0", "7 is not of type 'object'"),
    ],
)
def test_the_fault_is_that_of_the_alternative_which_the_tag_names(
    value: Any, pointer: str, message: str
) -> None:
    faults = [(one.pointer, one.message) for one in Schema(DOCUMENT).violations([value])]
    assert (pointer, message) in faults, faults


def test_alternatives_without_a_tag_of_their_own_are_reported_together() -> None:
    schema = Schema({"oneOf": [CIRCLE, {"type": "object", "required": ["side"]}]})
    (fault,) = schema.violations({"kind": "circle"})
    assert fault.pointer == ""


def test_valid_values_have_no_faults() -> None:
    schema = Schema(DOCUMENT)
    assert schema.violations([{"kind": "circle", "radius": 1}, {"kind": "square", "side": 2}]) == []


def test_one_alternative_alone_or_one_that_is_no_object_has_no_tag() -> None:
    tagged = {"properties": {"kind": {"const": "a"}}}
    assert tag_of([tagged], lambda one: one) is None
    assert tag_of([tagged, True], lambda one: one) is None
