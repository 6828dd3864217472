"""Converts a problem from another node back into an error."""

from collections.abc import Mapping
from typing import Any

from slotgrid.core.errors import FAULTS_LIMIT, Internal, ServiceError, Violation, problem_types

_STANDARD_MEMBERS = frozenset(
    {"type", "title", "status", "detail", "success", "error", "errors"}
    | {"task_id", "retry_after_s", "position", "expected_wait_s", "reason"}
)


def from_problem(problem: Mapping[str, Any]) -> ServiceError:
    """The error of another node's problem; `Internal` if its type is unknown.

    Checks the type of each member: a peer's data is not trusted.
    """

    def member(name: str, *kinds: type) -> Any:
        value = problem.get(name)
        return value if isinstance(value, kinds) and not isinstance(value, bool) else None

    kind = problem_types().get(str(problem.get("type", "")).removeprefix("/problems/"), Internal)
    errors = problem.get("errors")
    return kind(
        member("detail", str) or kind.title,
        task_id=member("task_id", str),
        retry_after_s=member("retry_after_s", int),
        position=member("position", int),
        expected_wait_s=member("expected_wait_s", int, float),
        reason=member("reason", str),
        errors=[
            Violation(str(fault.get("pointer", "")), str(fault.get("message", "")))
            for fault in (errors if isinstance(errors, list) else [])[:FAULTS_LIMIT]
            if isinstance(fault, Mapping)
        ],
        extra={name: value for name, value in problem.items() if name not in _STANDARD_MEMBERS},
    )
