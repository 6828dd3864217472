from typing import Any

import pytest

from slotgrid.cli.fields import fields_of
from slotgrid.cli.functions import example_line
from slotgrid.cli.values import InvalidWords, read_input
from tests.harness.peers.fake_node import PAGE_INPUT

MANY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind"],
    "$defs": {"Kind": {"enum": ["small", "large", 3]}, "Size": {"type": "integer"}},
    "properties": {
        "count": {"type": "integer"},
        "factor": {"type": "number"},
        "deep": {"type": "boolean"},
        "names": {"type": "array", "items": {"type": "string"}},
        "options": {"type": "object"},
        "title": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "either": {"type": ["integer", "string"]},
        "kind": {"$ref": "#/$defs/Kind", "description": "How big"},
        "size": {"allOf": [{"$ref": "#/$defs/Size"}]},
        "whatever": {},
        "password": {"type": "integer", "writeOnly": True},
    },
}


def read(*words: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
    return read_input(words, {"kind": "small"} if given is None else given, MANY)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("count=5", 5),
        ("count=-5", -5),
        ("factor=0.5", 0.5),
        ("factor=2", 2),
        ("deep=true", True),
        ("deep=No", False),
        ('names=["a", "b"]', ["a", "b"]),
        ('options={"a": 1}', {"a": 1}),
        ("title=5", "5"),
        ("title=null", "null"),
        ("title:=null", None),
        ("title=a=b", "a=b"),
        ("title=", ""),
        ("limit=null", None),
        ("limit=7", 7),
        ("either=7", 7),
        ("either=seven", "seven"),
        ('either:="7"', "7"),
        ("kind=large", "large"),
        ("kind=3", 3),
        ("size=4", 4),
        ("whatever=[1]", [1]),
        ("whatever=words", "words"),
    ],
)
def test_a_word_becomes_the_type_that_its_field_has(word: str, value: object) -> None:
    name = word.partition("=")[0].removesuffix(":")
    found = read(word)[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("count=5.5", "expected integer, got '5.5'"),
        ("count=true", "expected integer, got 'true'"),
        ("factor=NaN", "expected number, got 'NaN'"),
        ("factor=1e999", "expected number, got '1e999'"),
        ("deep=maybe", "expected boolean, got 'maybe'"),
        ("names=a,b", "expected array of string, got 'a,b'"),
        ("options=[]", "expected object, got '[]'"),
        ("kind=huge", "expected small | large | 3, got 'huge'"),
        ("limit=few", "expected integer | null, got 'few'"),
        ("password=hunter2", "expected integer, got something else"),
    ],
)
def test_a_word_that_does_not_fit_is_told_with_what_was_expected(word: str, message: str) -> None:
    with pytest.raises(InvalidWords) as caught:
        read(word)
    assert caught.value.faults == ((word.partition("=")[0], message),)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InvalidWords) as caught:
        read("count=x", "deap=true", "title", "count:={", given={})
    faults = dict(caught.value.faults[:1]) | dict(caught.value.faults[1:])
    assert faults["title"] == "expected name=value or name:=json"
    assert faults["deap"] == "there is no such field; did you mean deep?"
    assert faults["kind"] == "is required"
    assert [name for name, _ in caught.value.faults].count("count") == 3


def test_words_go_over_the_given_object() -> None:
    given = {"kind": "small", "count": 1, "deep": True}
    assert read("count=2", given=given) == {"kind": "small", "count": 2, "deep": True}
    assert given["count"] == 1


def test_a_json_that_is_nested_too_deeply_is_a_fault_and_no_crash() -> None:
    with pytest.raises(InvalidWords, match="whatever"):
        read("whatever:=" + "[" * 100_000)


def test_a_schema_that_names_no_fields_takes_any_word() -> None:
    assert read_input(["a=1", "b=x"], {}, {"type": "object"}) == {"a": 1, "b": "x"}


def test_fields_are_listed_with_what_a_person_needs_to_know() -> None:
    url, wait_until, retries = fields_of(PAGE_INPUT)
    assert (url.name, url.type, url.required) == ("url", "string", True)
    assert url.description == "Address of the page"
    assert (wait_until.type, wait_until.default) == ("load | networkidle", '"load"')
    assert (retries.default, retries.limits) == ("2", ("≥ 0",))
    text = {"type": "string", "minLength": 1, "maxLength": 9, "writeOnly": True}
    (secret,) = fields_of({"properties": {"word": text}})
    assert (secret.limits, secret.secret) == (("not empty", "at most 9 characters"), True)


def test_a_reference_keeps_what_stands_beside_it() -> None:
    kind = fields_of(MANY)[0]
    assert (kind.name, kind.type, kind.description) == ("kind", "small | large | 3", "How big")


def test_references_in_a_circle_end() -> None:
    circle = {"$defs": {"A": {"$ref": "#/$defs/A"}}, "properties": {"a": {"$ref": "#/$defs/A"}}}
    assert fields_of(circle)[0].type == "anything"
    nested = {"$defs": {"T": {"anyOf": [{"$ref": "#/$defs/T"}, {"type": "null"}]}}}
    assert fields_of(nested | {"properties": {"t": {"$ref": "#/$defs/T"}}})[0].kinds == ("null",)


def test_the_example_can_be_pasted_and_fits_its_own_schema() -> None:
    schema = {
        "properties": {
            "url": {"type": "string"},
            "names": {"type": "array", "items": {"type": "string"}},
            "count": {"type": "integer", "examples": [12]},
            "kind": {"enum": ["a b"]},
            "free": {"type": "string"},
        },
        "required": ["url", "names", "count", "kind"],
    }
    line = example_line("shop/price", fields_of(schema))
    assert line == (
        "slotgrid call shop/price url=https://example.com 'names=[\"text\"]' count=12 'kind=a b'"
    )
