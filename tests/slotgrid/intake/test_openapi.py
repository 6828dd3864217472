"""The OpenAPI document: valid, complete in both directions, and as new as the functions."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pytest_aiohttp.plugin import AiohttpClient

from slotgrid.core.errors import InvalidSubmission, problem_types
from slotgrid.core.field_readers import FIELDS
from slotgrid.core.schema import Schema
from slotgrid.core.spec import FunctionSpec
from slotgrid.core.submission import Submission
from slotgrid.intake.api.docs import DOCUMENT
from slotgrid.intake.function_components import function_components
from slotgrid.intake.openapi import endpoint_of
from slotgrid.intake.openapi_document import path_of
from slotgrid.intake.openapi_parts import COMPONENTS
from slotgrid.intake.sample_values import sample_of
from slotgrid.intake.schemas.basics import ref
from slotgrid.intake.schemas.submission import SUBMISSION
from tests.harness.in_process.functions import OFFERED, offer, renamed
from tests.harness.in_process.node import RunningNode, running_node
from tests.slotgrid.core.fakes import function
from tests.worker.registry.registries import registry_of

GREET = next(one for one in OFFERED if one.spec.name == "greet")
Document = dict[str, Any]


@pytest.fixture
async def document(node: RunningNode) -> Document:
    answer: Document = await node.get("/openapi")
    return answer


def operations_in(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


async def test_the_document_is_valid_openapi_3_1(document: Document) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "Slotgrid of the tests"
    assert document["info"]["version"] == "1.2.3"
    validate(document)


async def test_every_route_is_documented_and_everything_documented_is_a_route(
    node: RunningNode, document: Document
) -> None:
    routes = {
        (route.method.lower(), path_of(route.resource))
        for route in node.app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    assert routes == {(method, path) for method, path, _ in operations_in(document)}


async def test_every_problem_that_exists_can_be_answered_by_someone(document: Document) -> None:
    declared = orjson.dumps(document["paths"]).decode()
    never_here = {
        "over-quota",  # comes with another part
        *("folder-unavailable", "forbidden-file"),  # of mounts, and this node has none
        "method-not-allowed",  # the router's own: of a path, not of an operation
    }
    for name in problem_types().keys() - never_here:
        assert f'"/problems/{name}"' in declared, name


async def test_whoever_asks_for_a_key_says_so_and_declares_401_and_403(
    node: RunningNode, document: Document
) -> None:
    for route in node.app.router.routes():
        described = endpoint_of(route.handler)
        if route.method == "HEAD" or described is None or route.resource is None:
            continue
        operation = document["paths"][path_of(route.resource)][route.method.lower()]
        needs_key = described.scope != "public"
        assert ({"401", "403"} <= operation["responses"].keys()) is needs_key, route
        schemes = [scheme for one in operation["security"] for scheme in one]
        if needs_key:
            assert operation["security"] == [
                {"key": [described.scope]},
                {"bearer": [described.scope]},
            ]
        else:
            assert {} in operation["security"] or not schemes


async def test_every_operation_has_its_own_name_and_every_path_parameter_is_described(
    document: Document,
) -> None:
    names = [operation["operationId"] for _, _, operation in operations_in(document)]
    assert len(names) == len(set(names))
    for _, path, operation in operations_in(document):
        described = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert described == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert "500" in operation["responses"]
        assert operation["summary"]


async def test_two_applications_give_the_same_document_and_asking_twice_changes_nothing(
    aiohttp_client: AiohttpClient,
) -> None:
    async with running_node(aiohttp_client) as one, running_node(aiohttp_client) as other:
        first = one.app[DOCUMENT].build()
        assert orjson.dumps(first) == orjson.dumps(one.app[DOCUMENT].build())
        assert orjson.dumps(first) == orjson.dumps(other.app[DOCUMENT].build())


async def test_the_document_follows_the_functions(node: RunningNode) -> None:
    before = await node.get("/openapi")
    assert before["components"]["schemas"]["greet.input"]["properties"]["name"]["maxLength"] == 20
    node.catalog.put(renamed(GREET, "shop/new one"))
    after = await node.get("/openapi")
    validate(after)
    assert "shop/new one" in after["components"]["schemas"]["FunctionName"]["enum"]
    inputs = [one["$ref"] for one in after["components"]["schemas"]["FunctionInput"]["anyOf"]]
    assert "#/components/schemas/shop.new..20.one.input" in inputs
    assert len(inputs) == len(before["components"]["schemas"]["FunctionInput"]["anyOf"]) + 1


async def test_the_document_is_made_once_for_each_state_of_the_functions(node: RunningNode) -> None:
    document = node.app[DOCUMENT]
    first = document.current()
    assert document.current() is first
    node.catalog.put()
    assert document.current() is not first


async def test_a_node_without_functions_has_a_valid_document(aiohttp_client: AiohttpClient) -> None:
    async with running_node(aiohttp_client, offered=()) as node:
        validate(await node.get("/openapi"))


async def test_the_prefix_of_a_proxy_is_the_address_of_the_server(
    aiohttp_client: AiohttpClient,
) -> None:
    async with running_node(aiohttp_client, root_path="/grid/") as node:
        assert (await node.get("/openapi"))["servers"] == [{"url": "/grid"}]


async def test_references_inside_of_a_function_s_schema_lead_somewhere(document: Document) -> None:
    references = set()

    def walk(part: object) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                references.add(part["$ref"])
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(document)
    assert "#/components/schemas/greet.output.Words" in references
    assert all(reference.count("/") == 3 for reference in references)
    for reference in references:
        target: Any = document
        for name in reference.removeprefix("#/").split("/"):
            target = target[name.replace("~1", "/").replace("~0", "~")]


async def test_the_shipped_functions_have_examples_that_are_valid() -> None:
    registry = registry_of(Path("functions"))
    await registry.load()
    assert registry.specs()
    for spec in registry.specs():
        assert sample_of(spec.input) is not None, spec.name


@pytest.mark.parametrize(
    ("schema", "sample"),
    [
        ({"type": "object", "properties": {"a": {"default": 3}, "b": {}}}, {"a": 3}),
        (
            {"type": "object", "required": ["a"], "properties": {"a": {"const": 1}, "b": {}}},
            {"a": 1},
        ),
        ({"enum": ["x", "y"]}, "x"),
        ({"examples": [7, 8], "default": 9}, 7),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, True),
        ({"$defs": {"A": {"type": "integer", "minimum": 4}}, "$ref": "#/$defs/A"}, 4),
        ({"type": "number", "exclusiveMinimum": 0}, 1),
        ({"type": "integer", "maximum": -5}, -5),
        ({"type": ["string", "null"], "minLength": 6}, "textxx"),
        ({"type": "string", "format": "uri", "maxLength": 30}, "https://example.com/"),
        ({"type": "array", "minItems": 2, "items": {"type": "boolean"}}, [True, True]),
        ({"type": "null"}, None),
        ({"type": "string", "pattern": "^q$"}, None),
        (
            {
                "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}},
                "$ref": "#/$defs/A",
            },
            None,
        ),
    ],
)
def test_a_sample_is_the_least_that_its_schema_takes(schema: Document, sample: object) -> None:
    assert sample_of(Schema(schema)) == sample


def class_name(component: str) -> str:
    """What the names of two components must not have in common."""
    return "".join(filter(str.isalnum, component)).lower()


def test_no_two_components_make_the_same_class() -> None:
    names = ["a/b", "a-b", "a_b", "aéb", "a/é/b", "a/e9/b", "A/b", "b", "é", "/", "c d", "ab/input"]
    specs = [renamed(GREET, name).spec for name in (*names, "Task", "Submission", "function")]
    made = function_components(specs, COMPONENTS)
    classes = [class_name(name) for name in (*made, *COMPONENTS)]
    assert len(set(classes)) == len(classes)
    assert made["FunctionInput"]["anyOf"][0] == {"$ref": "#/components/schemas/a.b.input"}
    again = function_components(specs, COMPONENTS)
    assert list(again) == list(made)


def test_an_object_inside_of_a_schema_shares_its_class_with_no_component() -> None:
    point = {"type": "object", "properties": {"x": {"type": "integer"}}}
    document = {
        "type": "object",
        "properties": {"point": point, "at": {"$ref": "#/$defs/Point"}},
        "$defs": {"Point": {"type": "array"}},
    }
    made = function_components([function("odd", input=Schema(document))], COMPONENTS)
    (name,) = [name for name, schema in made.items() if schema.get("type") == "array"]
    assert name.startswith("odd.input.Point.")
    assert made["odd.input"]["properties"]["at"] == {"$ref": f"#/components/schemas/{name}"}


def test_a_definition_that_several_functions_have_is_one_component() -> None:
    def with_size(name: str, most: int) -> FunctionSpec:
        document = {
            "properties": {"size": {"$ref": "#/$defs/Size"}, "at": {"$ref": "#/$defs/Point"}},
            "$defs": {
                "Size": {"type": "object", "properties": {"w": {"$ref": "#/$defs/Length"}}},
                "Length": {"type": "integer", "maximum": most},
                "Point": {"type": "object", "properties": {"x": {"type": "integer"}}},
            },
        }
        return function(name, input=Schema(document))

    specs = [with_size("a", 1), with_size("b", 1), with_size("odd", 2)]
    made = function_components(specs, COMPONENTS)
    assert {"Size", "Length", "Point", "odd.input.Size", "odd.input.Length"} <= made.keys()
    assert {"a.input.Size", "b.input.Size", "odd.input.Point"}.isdisjoint(made)
    assert made["a.input"]["properties"] == made["b.input"]["properties"]
    assert made["Size"]["properties"]["w"] == ref("Length")
    assert made["odd.input.Size"]["properties"]["w"] == ref("odd.input.Length")


def test_what_is_data_in_a_function_s_schema_is_no_reference() -> None:
    odd = offer(
        "odd",
        GREET.body,
        properties={
            "a": {"default": {"$ref": "#/properties"}},
            "b": True,
            "c": {"not": {"$ref": "#"}},
            "$ref": {"type": "string"},
            "enum": {"enum": ["a", 1, None, True]},
            "pair": {"prefixItems": [{"type": "integer"}, True], "items": False},
        },
    )
    made = function_components([odd.spec], {})["odd.input"]
    assert made["properties"] == {
        "a": {"default": {"$ref": "#/properties"}},
        "b": {},
        "c": {"not": {"$ref": "#/components/schemas/odd.input"}},
        "$ref": {"type": "string"},
        "enum": {"anyOf": [{"const": "a"}, {"const": 1}, {"type": "null"}, {"const": True}]},
        "pair": {"prefixItems": [{"type": "integer"}, {}], "maxItems": 2},
    }


@pytest.mark.parametrize(
    ("values", "plain"),
    [
        (["a", "b"], True),
        (["a", None], True),
        ([1, 2], True),
        (["a b", "a_b"], False),
        (["", "-"], False),
        ([1, True], False),
        ([1.5], False),
        ([None], False),
    ],
)
def test_constants_are_an_enum_where_each_can_have_a_name(values: list[Any], plain: bool) -> None:
    odd = offer("odd", GREET.body, properties={"a": {"enum": values}})
    made = function_components([odd.spec], {})["odd.input"]["properties"]["a"]
    assert ("enum" in made) is plain
    validator = Draft202012Validator(made)
    assert all(validator.is_valid(value) for value in values)
    assert not validator.is_valid("something else")


def test_the_documented_input_takes_what_the_function_takes() -> None:
    node = {"properties": {"next": {"$ref": "#/$defs/Node"}, "value": {"type": "integer"}}}
    document = {
        "$id": "urn:odd",
        "title": "Task",
        "type": "object",
        "properties": {"node": {"$ref": "#/$defs/Node"}},
        "$defs": {"Node": node, "Unused": True},
    }
    made = function_components([function("odd", input=Schema(document))], {})
    assert made.keys() >= {"odd.input", "odd.input.Node"}
    assert "$id" not in made["odd.input"]
    assert "title" not in made["odd.input"]
    whole = {"components": {"schemas": made}, "$ref": "#/components/schemas/odd.input"}
    for value in ({"node": {"next": {"value": 1}}}, {"node": {"next": {"value": "x"}}}, {}):
        expected = Draft202012Validator(document).is_valid(value)
        assert Draft202012Validator(whole).is_valid(value) is expected


VALUES: dict[str, list[object]] = {
    "function": ["greet", "", 3, None],
    "input": [{}, {"a": 1}, [], "text", None],
    "group": ["default", "", 1],
    "contract": [1, 7, 0, -1, 1.5, "1", True],
    "priority": [1, 9, 99, 0, -3, "5", 2.5, False],
    "mode": ["sync", "stream", "", "later", 1],
    "timeout_s": [0.5, 30, 0, -1, "30", None],
    "wait_s": [0, 0.5, -0.1, "1"],
    "place": [{}, {"worker": "a", "labels": {"b": "c"}}, {"where": 1}, {"labels": {"b": 1}}, []],
    "metadata": [{}, {"any": [1]}, "text"],
    "unknown": [1],
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, values in VALUES.items() for v in values]
)
def test_the_documented_submission_takes_what_the_node_takes(name: str, value: object) -> None:
    components = function_components([], {})
    whole = {"components": {"schemas": components}, **SUBMISSION}
    body = {"function": "greet"} | {name: value}
    try:
        Submission.parse(body)
        taken = True
    except InvalidSubmission:
        taken = False
    by_schema = Draft202012Validator(whole).is_valid(body)
    # JSON Schema cannot see the one thing that a name alone decides: whether it exists.
    assert by_schema == taken or (name, value) == ("function", "")


def test_the_documented_submission_has_every_field() -> None:
    assert SUBMISSION["properties"].keys() == FIELDS.keys()


async def test_every_operation_but_streams_gives_json_or_says_what(document: Document) -> None:
    kinds = set(
        itertools.chain.from_iterable(
            answer.get("content", {})
            for _, _, operation in operations_in(document)
            for answer in operation["responses"].values()
        )
    )
    assert kinds == {
        "application/json",
        "application/problem+json",
        "text/event-stream",
        "application/x-ndjson",
        "text/plain",
        "text/html",
        "*/*",
    }
