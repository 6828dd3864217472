from typing import Any

import pytest

from slotgrid.core.schema import Schema
from slotgrid.steps.short_form import TYPES, ShortFormFault, input_schema


def test_a_type_alone_is_a_required_input() -> None:
    assert input_schema({"url": "string", "more": "any"}) == {
        "type": "object",
        "properties": {"url": {"type": "string"}, "more": {}},
        "required": ["url", "more"],
        "additionalProperties": False,
    }


def test_a_default_or_required_false_makes_an_input_optional() -> None:
    schema = input_schema(
        {"n": {"type": "integer", "default": 3, "minimum": 1}, "q": {"required": False}}
    )
    assert "required" not in schema
    assert schema["properties"] == {"n": {"type": "integer", "default": 3, "minimum": 1}, "q": {}}
    assert Schema(schema).with_defaults({}) == {"n": 3}


def test_doc_options_and_secret_are_words_of_json_schema() -> None:
    schema = input_schema({"p": {"type": "string", "doc": "A", "options": ["x"], "secret": True}})
    assert schema["properties"]["p"] == {
        "type": "string",
        "description": "A",
        "enum": ["x"],
        "writeOnly": True,
    }
    assert Schema(schema).secrets({"p": "x"}) == ["x"]


@pytest.mark.parametrize("given", [None, {}])
def test_no_input_allows_no_members(given: Any) -> None:
    schema = Schema(input_schema(given))
    assert schema.violations({}) == []
    assert schema.violations({"a": 1})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string"}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}},
    ],
)
def test_json_schema_stays_as_it_is(schema: dict[str, Any]) -> None:
    assert input_schema(schema) == schema


def test_inputs_may_be_named_as_keywords_are() -> None:
    schema = input_schema({"type": "string", "properties": "object"})
    assert schema["required"] == ["type", "properties"]


@pytest.mark.parametrize("name", TYPES)
def test_every_type_gives_a_valid_schema(name: str) -> None:
    Schema(input_schema({"a": name, "b": {"type": name, "default": None}}))


@pytest.mark.parametrize(
    ("given", "at", "words"),
    [
        ([], "", "expected an object"),
        ({"a": "xstring"}, "/a", '"xstring" is not a type; did you mean "string"?'),
        ({"a": 3}, "/a", "expected a type"),
        ({"a": None}, "/a", "expected a type"),
        ({"a/b": {"type": "x"}}, "/a~1b/type", '"x" is not a type: string, number'),
        ({"a": {"type": ["string", 3]}}, "/a/type", "this is not a type"),
        (
            {"a": {"deefault": 3}},
            "/a/deefault",
            'unknown field "deefault"; did you mean "default"?',
        ),
        ({"a": {"required": "yes"}}, "/a/required", "expected true or false"),
        ({"a": {"secret": 1}}, "/a/secret", "expected true or false"),
        ({"a": {"required": True, "default": 1}}, "/a/required", "with a default is not required"),
        ({"a": {"options": []}}, "/a/options", "expected a list"),
        ({"a": {"doc": 1}}, "/a/doc", "expected a text"),
        ({"a": {"doc": "x", "description": "y"}}, "/a/doc", "the same as `description`"),
    ],
)
def test_a_fault_has_its_pointer(given: Any, at: str, words: str) -> None:
    with pytest.raises(ShortFormFault) as caught:
        input_schema(given)
    assert [(at, True)] == [(where, words in message) for where, message in caught.value.faults]


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ShortFormFault) as caught:
        input_schema({"a": "x", "b": {"type": "y", "z": 1}, "c": "string"})
    assert [at for at, _ in caught.value.faults] == ["/a", "/b/z", "/b/type"]
