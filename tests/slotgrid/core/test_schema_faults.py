"""Where a value breaks its schema, in which words, and at what cost."""

import threading
from typing import Any

import pytest

from slotgrid.core.errors import FAULTS_LIMIT
from slotgrid.core.schema import Schema
from slotgrid.core.value_preview import preview

DRAFT_4 = {"$schema": "http://json-schema.org/draft-04/schema#"}
DRAFT_7 = {"$schema": "http://json-schema.org/draft-07/schema#"}


def told(schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    return [(one.pointer, one.message) for one in Schema(schema).violations(value)]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": ["string", "null"]}, 1, "1 is not of type 'string', 'null'"),
        ({"enum": [1, "a"]}, 2, "2 is not one of [1, 'a']"),
        ({"const": 1}, 2, "1 was expected"),
        ({"multipleOf": 2}, 3, "3 is not a multiple of 2"),
        ({"minimum": 2}, 1, "1 is less than the minimum of 2"),
        ({"maximum": 2}, 3, "3 is greater than the maximum of 2"),
        ({"exclusiveMinimum": 2}, 2, "2 is less than or equal to the minimum of 2"),
        ({"exclusiveMaximum": 2}, 2, "2 is greater than or equal to the maximum of 2"),
        ({"minLength": 1}, "", "'' is too short, as it must not be empty"),
        ({"minLength": 3}, "a", "'a' is too short (minimum 3)"),
        ({"maxLength": 1}, "ab", "'ab' is too long (maximum 1)"),
        ({"minItems": 1}, [], "[] is too short, as it must not be empty"),
        ({"maxItems": 1}, [1, 2], "[1, 2] is too long (maximum 1)"),
        ({"minProperties": 1}, {}, "{} has fewer than 1 properties"),
        ({"maxProperties": 0}, {"a": 1}, "{'a': 1} has more than 0 properties"),
        ({"pattern": "^b"}, "a", "'a' does not match '^b'"),
        ({"pattern": "^b", "examples": ["be"]}, "a", "'a' does not match '^b', as 'be' does"),
        ({"format": "date"}, "a", "'a' is not a 'date'"),
        ({"uniqueItems": True}, [1, 1], "[1, 1] has non-unique elements"),
        (
            {"contains": {"type": "null"}, "minContains": 2},
            [None],
            "[None] does not contain items matching the given schema",
        ),
        ({"anyOf": [False]}, 1, "1 is not valid under any of the given schemas"),
        ({"oneOf": [True, True]}, 1, "1 is not valid under exactly one of the given schemas"),
        ({"not": {"type": "null"}}, None, "None should not be valid under {'type': 'null'}"),
        ({"allOf": [False]}, 1, "nothing is allowed here, got 1"),
        ({"if": {"const": 1}, "then": False}, 1, "nothing is allowed here, got 1"),
        ({"if": {"const": 1}, "then": True, "else": {"const": 3}}, 2, "3 was expected"),
        ({"then": False, "const": 3}, 2, "3 was expected"),
        ({"required": ["a"]}, {}, "'a' is a required property"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "'b' is a dependency of 'a'"),
        (
            {"dependentSchemas": {"a": {"required": ["b"]}, "c": False}},
            {"a": 1},
            "'b' is a required property",
        ),
        (
            DRAFT_7 | {"dependencies": {"a": ["b"], "c": {"required": ["d"]}}},
            {"c": 1},
            "'d' is a required property",
        ),
        (DRAFT_7 | {"dependencies": {"a": ["b", "a"]}}, {"a": 1}, "'b' is a dependency of 'a'"),
        ({"propertyNames": {"maxLength": 1}}, {"a": 1, "ab": 1}, "'ab' is too long (maximum 1)"),
        (
            {"additionalProperties": False},
            {"a": 1},
            "Additional properties are not allowed ('a' was unexpected)",
        ),
        (
            {"patternProperties": {"^x": True}, "additionalProperties": False},
            {"x": 1, "a": 1, "b": 1},
            "Additional properties are not allowed ('a', 'b' were unexpected)",
        ),
        (
            {"properties": {"a": True}, "unevaluatedProperties": False},
            {"a": 1, "b": 2},
            "Unevaluated properties are not allowed ('b' was unexpected)",
        ),
        (
            {
                "$ref": "#/$defs/a",
                "anyOf": [{"patternProperties": {"^x": True}}, True],
                "if": {"properties": {"c": True}},
                "unevaluatedProperties": False,
                "$defs": {"a": {"properties": {"a": True}}},
            },
            {"a": 1, "xy": 1, "c": 1, "d": 2},
            "Unevaluated properties are not allowed ('d' was unexpected)",
        ),
        (
            {
                "anyOf": [{"properties": {"a": {"type": "null"}}}, True],
                "unevaluatedProperties": False,
            },
            {"a": 1},
            "{'a': 1} has more than is described",
        ),
        (
            {"prefixItems": [True], "unevaluatedItems": False},
            [1, 2],
            "[1, 2] has more than is described",
        ),
        (
            {"dependentSchemas": {}, "unevaluatedItems": {"type": "null"}},
            [1],
            "[1] does not fulfil `unevaluatedItems: {'type': 'null'}`",
        ),
        (DRAFT_4 | {"minimum": 1, "exclusiveMinimum": True}, 1, "1 is less than the minimum of 1"),
        (
            DRAFT_7 | {"$ref": "#/definitions/a", "definitions": {"a": {"const": 1}}},
            2,
            "1 was expected",
        ),
        ({"$ref": "#/allOf/0", "allOf": [{"const": 1}]}, 2, "1 was expected"),
        ({"type": "object"}, {1: 2}, "{1: 2} is not of type 'object'"),
    ],
)
def test_each_keyword_has_its_words(schema: dict[str, Any], value: Any, message: str) -> None:
    assert told(schema, value)[0] == ("", message)


@pytest.mark.parametrize(
    ("schema", "value", "pointers"),
    [
        ({"items": {"const": 1}}, [1, 2, 1, 3], ["/1", "/3"]),
        ({"items": False}, [1], ["/0"]),
        ({"prefixItems": [True, {"const": 1}], "items": {"const": 2}}, [0, 0, 2, 3], ["/1", "/3"]),
        ({"prefixItems": [{"const": 1}]}, [2, 3], ["/0"]),
        (DRAFT_7 | {"items": [{"const": 1}], "additionalItems": False}, [2, 3], ["/0", "/1"]),
        ({"additionalProperties": {"const": 1}}, {"a": 1, "b": 2}, ["/b"]),
        ({"patternProperties": {"^x": {"const": 1}}}, {"x": 2, "y": 3, "xx": 1}, ["/x"]),
        ({"properties": {"a": {"items": {"const": 1}}}}, {"a": [1, 2], "b": 3}, ["/a/1"]),
    ],
)
def test_a_fault_points_at_its_place(
    schema: dict[str, Any], value: Any, pointers: list[str]
) -> None:
    assert [pointer for pointer, _ in told(schema, value)] == pointers


def test_additional_members_are_judged_by_chunks() -> None:
    value: dict[str, Any] = {f"k{number}": 1 for number in range(5000)}
    value["k4321"] = 2
    assert told({"additionalProperties": {"const": 1}}, value) == [("/k4321", "1 was expected")]
    items = [1] * 5000 + [2]
    assert told({"items": {"const": 1}}, items) == [("/5000", "1 was expected")]


MANY = 200_000
HOSTILE: list[tuple[dict[str, Any], Any]] = [
    ({"properties": {"name": {"type": "string", "default": "x"}}}, {"name": [[]] * MANY}),
    (
        {"properties": {"a": {"default": 1}}, "additionalProperties": False},
        {f"k{number}": 1 for number in range(MANY)},
    ),
    (
        {"properties": {"a": True}, "unevaluatedProperties": False},
        {f"k{number}": 1 for number in range(MANY)},
    ),
    ({"items": {"type": "string"}}, [1] * MANY),
    ({"items": {"type": "string"}}, ["a"] * MANY + [1]),
    ({"uniqueItems": True}, [{"a": 1}] * MANY),
    ({"pattern": "^(a+)+$"}, "a" * MANY + "b"),
    ({"patternProperties": {"^(a+)+$": True}, "additionalProperties": False}, {"a" * 99 + "b": 1}),
    ({"type": "integer"}, "x" * MANY),
    ({"type": "integer"}, {f"k{number}": "x" * 100 for number in range(MANY)}),
    (
        {"properties": {"key": {"writeOnly": True}}, "required": ["no"]},
        {f"k{number}": [] for number in range(MANY)},
    ),
]


@pytest.mark.parametrize(("schema", "value"), HOSTILE, ids=range(len(HOSTILE)))
def test_the_work_does_not_grow_with_the_value(
    schema: dict[str, Any], value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = Schema(schema)
    calls = 0
    accepts = compiled._finder._accepts

    def counted(*given: Any) -> bool:
        nonlocal calls
        calls += 1
        return accepts(*given)

    monkeypatch.setattr(compiled._finder, "_accepts", counted)
    violations = compiled.violations(value)
    assert 1 <= len(violations) <= FAULTS_LIMIT
    assert calls <= 2100  # two for each fault, and those of one chunk
    assert all(len(one.message) < 1000 for one in violations)
    assert compiled.redacted(value) is value or len(schema) == 2
    assert compiled.secrets(value) == []


def test_a_careless_pattern_is_matched_in_linear_time() -> None:
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}, "patternProperties": {"^(b+)+$": False}}
    compiled, done = Schema(schema), threading.Event()

    def check() -> None:
        assert compiled.violations({"a": "a" * 10_000 + "!"})
        assert compiled.violations({"b" * 10_000 + "!": 1}) == []
        done.set()

    threading.Thread(target=check, daemon=True).start()
    assert done.wait(60)


def test_shown_values_are_short() -> None:
    assert preview("x" * 1000) == f"'{'x' * 200}'…"
    assert preview([[[[1]]]]) == "[[[[…]]]]"
    assert preview([[[{"a": 1}]]]) == "[[[{…}]]]"
    assert preview(list(range(9))) == "[0, 1, 2, 3, 4, …]"
    assert preview({str(number): number for number in range(7)}).endswith("'4': 4, …}")
    assert preview(10**300).endswith("…")
    assert preview((1, None)) == "[1, None]"


def test_a_part_that_stands_twice_hides_no_less() -> None:
    part = {"minProperties": 2}
    schema = {"properties": {"key": {"writeOnly": True}}, "allOf": [part, part]}
    assert told(schema, {"key": "hunter2"})[0] == ("", "does not fulfil `minProperties: 2`")


def test_a_missing_member_is_named_beside_a_secret() -> None:
    schema = {"properties": {"key": {"writeOnly": True}}, "required": ["url"]}
    assert told(schema, {"key": "hunter2"}) == [("", "'url' is a required property")]


def test_of_alternatives_the_only_one_for_the_values_type_is_explained() -> None:
    size = {"type": "object", "properties": {"width": {"minimum": 1}}}
    schema = {
        "properties": {"size": {"anyOf": [{"$ref": "#/$defs/size"}, {"type": "null"}]}},
        "$defs": {"size": size},
    }
    assert told(schema, {"size": {"width": 0}}) == [
        ("/size/width", "0 is less than the minimum of 1")
    ]
    assert told(schema, {"size": 1}) == [("/size", "1 is not of type 'object', 'null'")]
    either = {"oneOf": [{"type": "string", "minLength": 2}, {"type": ["string", "null"]}]}
    assert told(either, 1) == [("", "1 is not of type 'string', 'null'")]
    assert told(either, "ab") == [("", "'ab' is not valid under exactly one of the given schemas")]
    twice = {"oneOf": [{"type": "null"}, {"type": "string"}], "minLength": 2}
    assert told(twice, "a") == [("", "'a' is too short (minimum 2)")]


def test_the_choices_of_an_enum_are_listed_up_to_a_bound() -> None:
    choices = [f"choice {number}" for number in range(31)]
    (few,) = Schema({"enum": choices[:30]}).violations("x")
    (many,) = Schema({"enum": choices}).violations("x")
    assert "'choice 29'" in few.message
    assert many.message.endswith("'choice 4', …]")
    (near,) = Schema({"enum": choices}).violations("choicf 30")
    assert near.message.endswith("…]; did you mean 'choice 30'?")
    (number,) = Schema({"enum": choices}).violations(30)
    assert number.message.endswith("'choice 4', …]")
