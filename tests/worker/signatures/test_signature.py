"""Schemas from signatures, and values that go both ways."""

import datetime
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest

from slotgrid.core.errors import InvalidInput
from slotgrid.core.event_log import NotJson
from slotgrid.function import Context, Meta, Secret
from worker.json_values import plain_json
from worker.signatures.signature import describe, read_signature


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Size:
    width: int
    height: int = 2


@dataclass
class Even:
    width: int

    def __post_init__(self) -> None:
        if self.width % 2:
            raise LookupError("an odd width")


class Options(TypedDict, total=False):
    deep: bool


class Point(msgspec.Struct):
    x: float
    size: Size | None = None


async def everything(  # type: ignore[no-untyped-def]  # one is untyped on purpose
    context: Context,
    *,
    text: str,
    count: int,
    ratio: float,
    size: Size,
    point: Point,
    options: Options,
    at: datetime.datetime,
    token: Secret,
    anything,
    colour: Colour = Colour.RED,
    wait: Literal["load", "idle"] = "load",
    note: str | None = None,
    tags: list[str] = [],  # noqa: B006
    limit: Annotated[int, Meta(ge=1, le=9, description="At most this many.")] = 3,
) -> Point:
    """Do everything.

    text: what to say,
        on two lines
    ratio (float): how much of it
    """
    return Point(x=ratio)


def given() -> dict[str, Any]:
    return {
        "text": "a",
        "count": 1,
        "ratio": 2,
        "size": {"width": 3},
        "point": {"x": 1.5, "size": {"width": 1}},
        "options": {"deep": True},
        "at": "2030-01-31T08:00:00Z",
        "token": "sesame",
        "anything": [1, {"a": None}],
    }


def test_the_schema_has_every_parameter_but_the_context() -> None:
    document = read_signature(everything).input.document
    properties = document["properties"]
    assert "context" not in properties
    assert document["required"] == list(given())
    assert document["additionalProperties"] is False
    assert properties["text"] == {"type": "string", "description": "what to say, on two lines"}
    assert properties["ratio"] == {"type": "number", "description": "how much of it"}
    assert properties["colour"] == {"$ref": "#/$defs/Colour", "default": "red"}
    assert properties["wait"] == {"enum": ["idle", "load"], "default": "load"}
    assert properties["note"]["default"] is None
    assert properties["limit"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "default": 3,
        "description": "At most this many.",
    }
    assert properties["anything"] == {}
    assert properties["token"]["writeOnly"] is True
    assert describe(everything) == "Do everything."


def test_valid_input_becomes_the_types_of_the_signature() -> None:
    signature = read_signature(everything)
    assert signature.input.violations(given()) == []
    bound = signature.binding.bind(signature.input.with_defaults(given()))
    assert bound["size"] == Size(3)
    assert bound["point"] == Point(x=1.5, size=Size(1))
    assert bound["at"] == datetime.datetime(2030, 1, 31, 8, tzinfo=datetime.UTC)
    assert signature.binding.bind({"colour": "blue"}) == {"colour": Colour.BLUE}
    assert bound["ratio"] == 2.0
    assert isinstance(bound["ratio"], float)
    assert bound["anything"] == [1, {"a": None}]
    assert bound["tags"] == []


def test_what_was_not_given_is_left_to_the_signature() -> None:
    async def f(context: Context, a: int = 4) -> None: ...

    assert read_signature(f).binding.bind({}) == {}


def test_all_violations_are_told_by_the_schema() -> None:
    schema = read_signature(everything).input
    wrong = given() | {"count": "1", "size": {}, "colour": "green", "limit": 10, "extra": 1}
    del wrong["text"]
    pointers = [violation.pointer for violation in schema.violations(wrong)]
    assert pointers == ["", "", "/colour", "/count", "/limit", "/size"]


def test_what_a_schema_cannot_say_is_invalid_input_too() -> None:
    signature = read_signature(everything)
    with pytest.raises(InvalidInput) as caught:
        signature.binding.bind(
            given() | {"at": "not a date", "point": {"x": 1, "size": {"width": "w"}}}
        )
    assert [violation.pointer for violation in caught.value.errors] == ["/point/size/width", "/at"]
    assert caught.value.errors[0].message == "Expected `int`, got `str`"


def test_what_a_schema_cannot_say_is_a_violation_too() -> None:
    async def f(context: Context, at: datetime.datetime, size: Even) -> None: ...

    schema = read_signature(f).input
    found = schema.violations({"at": "2030-13-41", "size": {"width": 3}})
    assert [violation.pointer for violation in found] == ["/at", "/size"]
    assert "an odd width" in found[1].message
    # What the schema itself says comes first, since conversion would only say it again.
    assert [v.pointer for v in schema.violations({"at": 1, "size": {"width": 3}})] == ["/at"]


def test_named_extras_take_any_property_but_the_context() -> None:
    async def f(ctx: Context, a: int, **rest: Any) -> None: ...

    signature = read_signature(f)
    assert signature.input.violations({"a": 1, "b": [2]}) == []
    assert signature.input.violations({"a": 1, "ctx": 2}) != []
    assert signature.binding.bind({"a": 1, "b": [2]}) == {"a": 1, "b": [2]}


def test_text_annotations_are_resolved_and_the_context_need_not_be() -> None:
    def f(context: "OnlyForCheckers", size: "Size", n: "int | None" = None) -> "Size": ...  # type: ignore[name-defined,empty-body]  # noqa: F821

    signature = read_signature(f)
    assert signature.binding.bind({"size": {"width": 1}, "n": None}) == {"size": Size(1), "n": None}
    assert signature.output is not None
    assert signature.output.violations({"width": 1, "height": 1}) == []


def test_a_given_schema_wins_and_its_values_stay_raw() -> None:
    async def f(context: Context, size: Size, note: str = "") -> Size:
        return size

    signature = read_signature(
        f,
        input_schema={"properties": {"size": {"type": "array"}}, "required": ["size"]},
        output_schema={"type": "string"},
    )
    assert signature.input.violations({"size": [1]}) == []
    assert signature.input.violations({"size": [1], "unknown": 1}) != []
    assert signature.binding.bind({"size": [1]}) == {"size": [1]}
    assert signature.output is not None
    assert signature.output.document == {"type": "string"}


def test_a_given_schema_that_stays_open_does_not_open_the_function() -> None:
    async def f(context: Context, a: int) -> None: ...

    signature = read_signature(f, input_schema={"type": "object", "additionalProperties": True})
    with pytest.raises(InvalidInput) as caught:
        signature.binding.bind({"a": 1, "b": 2})
    assert caught.value.errors[0].pointer == "/b"


@pytest.mark.parametrize(
    ("function", "document"),
    [
        (lambda context: None, None),
        (everything, {"$ref": "#/$defs/Point"}),
    ],
)
def test_the_output_schema_is_that_of_the_returned_type(
    function: Callable[..., Any], document: Mapping[str, Any] | None
) -> None:
    output = read_signature(function).output
    found = output and {key: output.document[key] for key in output.document if key != "$defs"}
    assert found == document


def test_an_output_of_none_is_null() -> None:
    async def f(context: Context) -> None: ...

    output = read_signature(f).output
    assert output is not None
    assert output.document == {"type": "null"}


def test_what_is_returned_becomes_plain_json_that_fits_the_output_schema() -> None:
    output = read_signature(everything).output
    assert output is not None
    value = plain_json(Point(x=1.0, size=Size(1)))
    assert value == {"x": 1.0, "size": {"width": 1, "height": 2}}
    assert output.violations(value) == []
    assert plain_json((Colour.BLUE, {1: None}, {2})) == ["blue", {"1": None}, [2]]


def circle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def test_half_a_surrogate_pair_is_replaced_wherever_it_stands() -> None:
    assert plain_json({"a\ud800": [Point(x=1.0, size=Size(1)), "\ud800"]}) == {
        "a\ufffd": [{"x": 1.0, "size": {"width": 1, "height": 2}}, "\ufffd"]
    }


@pytest.mark.parametrize("value", [object(), {(1, 2): 3}, circle(), lambda: 1])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(NotJson, match="not JSON"):
        plain_json(value)


@dataclass
class Sheet:
    """A sheet of paper.

    `width` is in millimetres.
    """

    width: int


def test_the_docstring_of_a_type_describes_it_without_its_indentation() -> None:
    async def f(context: Context, sheet: Sheet) -> Sheet:
        return sheet

    signature = read_signature(f)
    assert signature.output is not None
    for document in (signature.input.document, signature.output.document):
        described = document["$defs"]["Sheet"]["description"]
        assert described == "A sheet of paper.\n\n`width` is in millimetres."
