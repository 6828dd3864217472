import pytest

from slotgrid.core.errors import (
    Conflict,
    Draining,
    InMaintenance,
    InvalidInput,
    NoWorker,
    QueueFull,
    ServiceError,
    Violation,
    pointer,
    problem_types,
)
from slotgrid.core.node_state import MOVES as NODE_MOVES
from slotgrid.core.node_state import NodeState, NodeStatus
from slotgrid.core.schema import Schema
from tests.slotgrid.core.fakes import PLAIN, function

# The node.


@pytest.mark.parametrize("state", NodeState)
@pytest.mark.parametrize("target", NodeState)
def test_a_node_moves_only_where_its_moves_lead(state: NodeState, target: NodeState) -> None:
    told: list[NodeState] = []
    status = NodeStatus(told.append)
    status.state = state
    if target is state:
        assert not status.move_to(target)
    elif target in NODE_MOVES[state]:
        assert status.move_to(target)
    else:
        with pytest.raises(Conflict, match=f"is {state} and cannot become {target}"):
            status.move_to(target)
    moved = target in NODE_MOVES[state]
    assert status.state is (target if moved else state)
    assert told == ([target] if moved else [])


def test_a_node_accepts_tasks_when_it_is_ready_and_else_says_why_not() -> None:
    status = NodeStatus()
    reasons: dict[NodeState, type[ServiceError]] = {
        NodeState.STARTING: NoWorker,
        NodeState.MAINTENANCE: InMaintenance,
        NodeState.DRAINING: Draining,
    }
    for state, reason in reasons.items():
        status.state = state
        with pytest.raises(reason) as caught:
            status.check_accepts()
        assert caught.value.status == 503
        assert caught.value.retry_after_s
    status.state = NodeState.READY
    status.check_accepts()


def test_a_node_without_anyone_to_tell_moves_too() -> None:
    assert NodeStatus().move_to(NodeState.READY)


# Errors.


def test_a_problem_shows_what_is_known_and_nothing_else() -> None:
    assert QueueFull("full").to_problem() == {
        "type": "/problems/queue-full",
        "title": "The queue is full",
        "status": 503,
        "detail": "full",
        "success": False,
        "error": "full",
    }
    full = QueueFull(
        "full", task_id="t", retry_after_s=3, position=0, expected_wait_s=0.0, reason="busy"
    ).to_problem()
    assert {name: full[name] for name in list(full)[6:]} == {
        "task_id": "t",
        "retry_after_s": 3,
        "position": 0,
        "expected_wait_s": 0.0,
        "reason": "busy",
    }
    invalid = InvalidInput("bad", errors=[Violation("/a", "is required")], extra={"more": 1})
    assert invalid.to_problem()["errors"] == [{"pointer": "/a", "message": "is required"}]
    assert invalid.to_problem()["more"] == 1


def test_the_list_of_problems_is_the_documented_one() -> None:
    by_status: dict[int, set[str]] = {}
    for name, error in problem_types().items():
        by_status.setdefault(error.status, set()).add(name)
        assert error.advice.endswith(".")
        assert error.title
    assert by_status == {
        400: {"invalid-request", "invalid-input", "contract-mismatch", "mode-unsupported"},
        401: {"unauthorized"},
        403: {"forbidden", "forbidden-address", "forbidden-file"},
        404: {"unknown-function", "unknown-group", "unknown-task", "not-found"},
        405: {"method-not-allowed"},
        409: {"conflict", "task-finished", "task-cancelled"},
        410: {"gone"},
        413: {"body-too-large"},
        415: {"unsupported-media-type"},
        429: {"over-quota"},
        500: {"function-failed", "output-invalid", "browser-crashed", "internal"},
        502: {"worker-lost"},
        503: {
            "maintenance", "draining", "queue-full", "no-worker", "database-unavailable",
            "folder-unavailable",
        },
        504: {"wait-exceeded", "deadline-exceeded"},
    }  # fmt: skip


def test_a_pointer_is_built_by_rfc_6901() -> None:
    assert pointer([]) == ""
    assert pointer(["a", 0, "b/c", "~1", ""]) == "/a/0/b~1c/~01/"


# What is shown of a function.


def test_a_function_is_shown_with_all_that_a_caller_needs() -> None:
    shown = function("f", rate=(10, 60.0), output=Schema({"type": "string"})).to_json()
    assert shown["rate"] == "10 per 60 s"
    assert shown["output"] == {"type": "string"}
    assert PLAIN.to_json()["rate"] is None
    assert PLAIN.to_json()["output"] is None
    promised = "name description kind input output modes timeout_s pool isolation contract group"
    assert {*promised.split(), "revision"} <= shown.keys()
