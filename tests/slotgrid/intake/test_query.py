"""Query parameters: each is read as its schema says, and a wrong one is a 400 that helps."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from slotgrid.core.principal import Scope
from slotgrid.intake.openapi import endpoint_of
from slotgrid.intake.openapi_document import path_of
from slotgrid.intake.query import parameter_fault
from tests.harness.in_process.node import RunningNode

NO_NUMBERS = ("--5", "+5", "1_000", " 5", "5 ", "\u0665", "\uff15", "0x10", "05", "1.5", "1e3", "")
NO_SECONDS = ("--5", "+5", "1_000", " 5", "\u0665", "inf", "nan", "-1", "301", ".5", "5.", "1e999")


@pytest.mark.parametrize("text", [*NO_NUMBERS, "5" * 5000, "-" + "5" * 5000])
@pytest.mark.parametrize("name", ["limit", "offset"])
async def test_a_whole_number_is_written_in_ascii_digits(
    node: RunningNode, name: str, text: str
) -> None:
    problem = await node.problem("GET", "/tasks", params={name: text})
    assert problem["status"] == 400
    assert problem["errors"][0]["pointer"] == f"?{name}"
    assert "expected a whole number from" in problem["detail"]
    assert len(problem["detail"]) < 200
    assert (await node.get("/tasks", limit="5", offset="0"))["total"] == 0


@pytest.mark.parametrize("text", NO_SECONDS)
async def test_seconds_are_a_json_number(node: RunningNode, text: str) -> None:
    task_id = (await node.submit("greet"))["id"]
    problem = await node.problem("GET", f"/tasks/{task_id}", params={"wait_s": text})
    assert (problem["status"], problem["errors"][0]["pointer"]) == (400, "?wait_s")
    for good in ("0", "0.5", "3e1"):
        assert (await node.get(f"/tasks/{task_id}", wait_s=good))["task"]["id"] == task_id


@pytest.mark.parametrize("text", ["--5", "+5", "\u0665", "5" * 5000, "-1", str(2**53)])
@pytest.mark.parametrize("place", ["params", "headers"])
async def test_the_number_of_an_event_is_bounded(node: RunningNode, place: str, text: str) -> None:
    task_id = (await node.submit("greet"))["id"]
    name = "last_event_id" if place == "params" else "Last-Event-ID"
    asked: Mapping[str, Any] = {place: {name: text}}
    problem = await node.problem("GET", f"/tasks/{task_id}/events", **asked)
    assert (problem["status"], problem["errors"][0]["pointer"]) == (400, "?last_event_id")


@pytest.mark.parametrize(
    "id_", ["1", "%00", "..", "a" * 5000, "0198C0DE-7A3B-7C11-9D5E-2F6A1B0C4D3E"]
)
async def test_an_id_that_is_no_uuid_is_an_unknown_task_without_an_id(
    node: RunningNode, id_: str
) -> None:
    problem = await node.problem(
        "POST", f"/tasks/{id_}/cancel" if id_ != ".." else "/tasks/%2e./cancel"
    )
    assert problem["status"] in {404, 405}
    assert "task_id" not in problem


async def test_an_unknown_parameter_names_the_nearest_known_one(node: RunningNode) -> None:
    problem = await node.problem("GET", "/tasks", params={"functoin": "greet"})
    assert problem["errors"] == [
        {"pointer": "?functoin", "message": 'unknown parameter; did you mean "function"?'}
    ]
    problem = await node.problem("GET", "/groups", params={"colour": "red", "limit": "x"})
    assert [fault["pointer"] for fault in problem["errors"]] == ["?colour", "?limit"]
    assert problem["errors"][0]["message"] == "unknown parameter; known are limit, offset"
    problem = await node.problem("POST", "/task", params={"mode": "async"}, json={})
    assert problem["errors"][0]["message"] == "unknown parameter; this path takes none"


async def test_a_parameter_that_is_given_twice_is_refused(node: RunningNode) -> None:
    for method, path in (
        ("GET", "/tasks?limit=1&limit=2"),
        ("GET", "/tasks?function=a&function=b"),
        ("POST", "/functions/greet?priority=1&priority=2"),
    ):
        problem = await node.problem(method, path)
        assert problem["status"] == 400
        assert "is given 2 times" in problem["detail"]


async def test_probes_may_append_what_they_like(node: RunningNode) -> None:
    for path in ("/health", "/livez", "/readyz", "/docs"):
        async with node.stranger.get(path, params={"cache": "1"}) as answer:
            assert answer.status == 200


WRONG: Mapping[str, tuple[str, ...]] = {
    "integer": (*NO_NUMBERS, "5" * 5000),
    "number": (*NO_SECONDS, "5" * 5000),
    "boolean": ("perhaps", "2", "\u0661"),
    "string": (),
}


def wrong_values(schema: Mapping[str, Any]) -> Iterator[str]:
    """Texts that a parameter of that schema must not take."""
    yield from WRONG[schema["type"]]
    if "maximum" in schema:
        yield str(schema["maximum"] + 1)
    if "minimum" in schema:
        yield str(schema["minimum"] - 1)
    if "enum" in schema:
        yield from ("", "something else", f"{schema['enum'][0]} x")
    if "pattern" in schema:
        texts = ("", "something else", "queued x", "a\0b", "\0", "a\0\n")
        refused = [text for text in texts if not re.search(schema["pattern"], text)]
        assert refused
        yield from refused
    if schema.get("minLength"):
        yield ""
    if schema.get("format") == "date-time":
        yield from ("", "yesterday", "2030-13-01T00:00:00Z", "5" * 5000)


async def test_every_declared_parameter_refuses_what_its_schema_refuses(node: RunningNode) -> None:
    tried = 0
    for route in node.app.router.routes():
        described = endpoint_of(route.handler)
        if described is None or route.method == "HEAD" or route.resource is None:
            continue
        if described.scope is Scope.PUBLIC or described.query_is_fields:
            continue
        task_id = (await node.submit("greet"))["id"]
        path = path_of(route.resource).replace("{id}", task_id).replace("{step}", "main")
        path = path.replace("{name}", "greet")
        for parameter in described.parameters:
            if parameter.location != "query":
                continue
            if parameter.schema["type"] == "string":  # else it would take NUL
                assert parameter.schema.keys() & {"enum", "pattern", "format"}, parameter.name
            for text in wrong_values(parameter.schema):
                problem = await node.problem(route.method, path, params={parameter.name: text})
                assert problem["status"] == 400, (path, parameter.name, text[:20])
                assert problem["errors"][0]["pointer"] == f"?{parameter.name}"
                tried += 1
    assert tried > 100


async def test_times_far_away_are_only_far_away(node: RunningNode) -> None:
    await node.submit("greet")
    for text in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31"):
        assert (await node.get("/tasks", since=text))["total"] in {0, 1}
        assert (await node.get("/tasks", until=text))["total"] in {0, 1}


def test_a_fault_repeats_no_more_than_a_line() -> None:
    fault = parameter_fault({"type": "string", "enum": ["a"]}, "x" * 8000)
    assert fault is not None
    assert len(fault) < 120
