"""A problem that another node tells becomes the same error here."""

from typing import Any

import pytest

from slotgrid.core.errors import Internal, Violation, WorkerLost, problem_types
from slotgrid.core.problem_decoding import from_problem


@pytest.mark.parametrize("name", problem_types())
def test_every_problem_comes_back_as_it_was(name: str) -> None:
    error = problem_types()[name](
        "what happened",
        task_id="t",
        retry_after_s=3,
        position=2,
        expected_wait_s=1.5,
        reason="why",
        errors=[Violation("/input/a", "is wrong")],
        extra={"suggestions": ["b"]},
    )
    back = from_problem(error.to_problem())
    assert type(back) is type(error)
    assert back.to_problem() == error.to_problem()
    assert back.errors == error.errors


def test_a_problem_of_a_type_that_is_not_known_is_internal_and_keeps_its_words() -> None:
    back = from_problem({"type": "/problems/novelty", "detail": "of a later version", "task_id": 7})
    assert isinstance(back, Internal)
    assert (back.detail, back.task_id) == ("of a later version", None)


@pytest.mark.parametrize(
    "problem",
    [
        {},
        {"type": None, "detail": 7, "errors": "all", "retry_after_s": "soon", "position": True},
        {"type": ["/problems/worker-lost"], "errors": [None, 7, {"pointer": 1}]},
    ],
)
def test_nonsense_is_internal_and_does_no_harm(problem: dict[str, Any]) -> None:
    back = from_problem(problem)
    assert isinstance(back, Internal)
    assert back.detail == Internal.title
    assert back.retry_after_s is back.position is None
    back.to_problem()


def test_no_more_faults_are_taken_over_than_are_reported() -> None:
    many = [{"pointer": "/a", "message": "m"}] * 1000
    assert len(from_problem({"type": "/problems/worker-lost", "errors": many}).errors) == 100
    assert isinstance(from_problem({"type": "/problems/worker-lost"}), WorkerLost)
