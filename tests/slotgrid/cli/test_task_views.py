"""A task as the command line prints it."""

from typing import Any

import pytest
from rich.console import Console

from slotgrid.cli.task_views import show_task

TASK: dict[str, Any] = {
    "id": "01a204b4-78c1-76c6-af7e-03631fc3824e",
    "function": "order",
    "status": "failed",
    "mode": "sync",
    "priority": 5,
    "owner": "ada",
    "worker": "w1",
    "created_at": "2030-01-31T08:00:00.000Z",
    "started_at": None,
    "finished_at": None,
    "queue_position": None,
    "lost_starts": 0,
    "attempts": [],
    "deliveries": [],
    "artifacts": [],
    "error": {"title": "It failed", "detail": "order failed"},
}


@pytest.mark.parametrize(
    ("members", "shown"),
    [
        ({}, "step press  completed\n"),  # from a node of an earlier version
        ({"action": "click", "worker": "w1"}, "step press  completed, click\n"),
        ({"action": None, "worker": "w2"}, "step press  completed, on w2\n"),
        ({"action": None, "worker": None}, "step press  completed\n"),
    ],
)
def test_a_step_shows_its_action_and_another_worker(members: dict[str, Any], shown: str) -> None:
    console = Console(width=120)
    step = {"name": "press", "status": "completed", **members}
    with console.capture() as captured:
        show_task(console, TASK | {"steps": [step]})
    lines = [f"{line.rstrip()}\n" for line in captured.get().splitlines()]
    assert shown in lines


def test_a_task_shows_what_its_pages_moved() -> None:
    console = Console(width=120)
    moved = {"received_bytes": 2048, "sent_bytes": 512, "connections": 3}
    for traffic, shown in ((moved, True), (None, False)):
        with console.capture() as captured:
            show_task(console, TASK | {"steps": [], "traffic": traffic})
        line = "2.0 KiB received, 512 B sent, connections: 3"
        assert (line in captured.get()) is shown
