"""The steps of a flow as the command line prints them."""

from io import StringIO
from typing import Any

from rich.console import Console

from slotgrid.cli.step_tree import step_tree


def step(name: str, status: str = "completed", **facts: Any) -> dict[str, Any]:
    """A step as `GET /tasks/{id}` shows it."""
    return {
        "name": name,
        "function": "work",
        "action": None,
        "status": status,
        "worker": None,
        "started_at": None,
        "ended_at": None,
        "error": None,
        **facts,
    }


def printed(*steps: dict[str, Any]) -> str:
    """What a terminal shows of a flow with these steps."""
    console = Console(width=100, record=True, file=StringIO())
    console.print(step_tree({"function": "flow", "status": "running", "steps": list(steps)}))
    return console.export_text()


def test_each_step_has_its_state_worker_time_and_error() -> None:
    times = {"started_at": "2030-01-31T08:00:00.000Z", "ended_at": "2030-01-31T08:00:01.500Z"}
    shown = printed(
        step("one", worker="w1", **times),
        step("two", "failed", error="it broke"),
        step("three", "pending"),
    )
    assert shown.splitlines() == [
        "flow  running",
        "├── ✓ one  work  on w1  1.5 s",
        "├── ✗ two  work  it broke",
        "└── ○ three  work  pending",
    ]


def test_instances_stand_below_their_step_with_a_count() -> None:
    shown = printed(step("each", "running"), step("each[0]"), step("each[1]", "running"))
    assert shown.splitlines() == [
        "flow  running",
        "└── ● each  work  running  1 of 2",
        "    ├── ✓ each[0]  work",
        "    └── ● each[1]  work  running",
    ]


def test_of_many_instances_those_that_run_or_failed_are_shown() -> None:
    instances = [step(f"each[{number}]") for number in range(40)]
    instances[7] = step("each[7]", "failed", error="no")
    shown = printed(step("each", "failed"), *instances)
    assert shown.splitlines() == [
        "flow  running",
        "└── ✗ each  work  39 of 40",
        "    ├── ✗ each[7]  work  no",
        "    └── and 39 more",
    ]
