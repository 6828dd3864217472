"""Schemas of errors: the members of RFC 9457 and our own, and the responses of an operation."""

from collections.abc import Iterable, Mapping
from typing import Any

from slotgrid.core.errors import ServiceError, Unauthorized, problem_types
from slotgrid.core.schema import JsonSchema
from slotgrid.intake.schemas.basics import TASK_ID, TEXT, WHOLE, doc, list_of, record, ref

PROBLEM_JSON = "application/problem+json"

COMPONENTS: Mapping[str, JsonSchema] = {
    "Problem": record(
        "A problem (RFC 9457)",
        {
            "type": {
                "type": "string",
                "pattern": "^/problems/",
                "description": "The problem's type, which is the path of a page that explains it",
            },
            "title": doc(TEXT, "The same for every problem of the type"),
            "status": doc({"type": "integer"}, "The HTTP status"),
            "detail": doc(TEXT, "One sentence about this occurrence"),
            "success": {"type": "boolean", "const": False},
            "error": doc(TEXT, "The same sentence as `detail`"),
            "task_id": TASK_ID,
            "retry_after_s": doc(
                WHOLE, "Seconds after which to try again, as the header `Retry-After`"
            ),
            "position": doc(WHOLE, "The task's position in the queue"),
            "expected_wait_s": {"type": "number", "minimum": 0},
            "reason": doc(TEXT, "The cause in one or two words"),
            "step": doc(TEXT, "The step of a flow that failed it"),
            "errors": doc(
                list_of(record("", {"pointer": doc(TEXT, "A JSON pointer"), "message": TEXT})),
                "The faults of the request, 100 at most",
            ),
            "suggestions": doc(list_of(TEXT), "The nearest names that exist"),
        },
        optional=(
            *("task_id", "retry_after_s", "position", "expected_wait_s"),
            *("reason", "step", "errors", "suggestions"),
        ),
    )
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    name: {
        "summary": problem.title,
        "value": {
            "type": f"/problems/{name}",
            "title": problem.title,
            "status": problem.status,
            "detail": "One sentence about this occurrence",
            "success": False,
            "error": "One sentence about this occurrence",
        },
    }
    for name, problem in problem_types().items()
}


def problem_answers(problems: Iterable[type[ServiceError]]) -> dict[int, dict[str, Any]]:
    """The OpenAPI responses for these problems: one for each status, with all its problems."""
    by_status: dict[int, list[type[ServiceError]]] = {}
    for problem in problems:
        same = by_status.setdefault(problem.status, [])
        if problem not in same:
            same.append(problem)
    return {status: _answer(status, same) for status, same in sorted(by_status.items())}


def _answer(status: int, problems: list[type[ServiceError]]) -> dict[str, Any]:
    lines = [f"`{p.name}`: {p.title}. {p.advice}" for p in problems]
    answer: dict[str, Any] = {
        "description": "\n\n".join(lines),
        "content": {
            PROBLEM_JSON: {
                "schema": {
                    "allOf": [
                        ref("Problem"),
                        {
                            "properties": {
                                "type": {"enum": [f"/problems/{p.name}" for p in problems]}
                            }
                        },
                    ]
                },
                "examples": {p.name: {"$ref": f"#/components/examples/{p.name}"} for p in problems},
            }
        },
    }
    headers = {}
    if status in {429, 503, 504}:
        headers["Retry-After"] = header("Seconds after which to try again", {"type": "integer"})
    if Unauthorized in problems:
        headers["WWW-Authenticate"] = header("How to send a key", TEXT)
    return answer | ({"headers": headers} if headers else {})


def header(description: str, schema: JsonSchema) -> dict[str, Any]:
    """An OpenAPI header object."""
    return {"description": description, "schema": schema}
