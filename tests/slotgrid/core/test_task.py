import asyncio
from typing import Any

import orjson
import pytest

from slotgrid.core.deadlines import Deadline, iso
from slotgrid.core.errors import (
    FunctionFailed,
    Internal,
)
from slotgrid.core.submission import Submission
from slotgrid.core.task import LINE_CHARS, LOG_LINES_LIMIT, IllegalMove, Task, log_line
from slotgrid.core.task_parts import Step
from slotgrid.core.task_states import MOVES, StepState, TaskState
from tests.slotgrid.core.fakes import PLAIN


def make_task(state: TaskState = TaskState.QUEUED, **fields: Any) -> Task:
    submission = Submission.parse({"function": "plain"} | fields)
    task = Task(submission, PLAIN, owner="ann", input=submission.input)
    if state is not TaskState.QUEUED:
        task.begin_attempt("w1", 0)
    if state.terminal:
        task.move_to(state)
    return task


def test_an_attempt_may_run_as_long_as_requested_up_to_the_ceiling() -> None:
    ceiling_s = PLAIN.timeout_s
    assert make_task().timeout_s == ceiling_s
    assert make_task(timeout_s=ceiling_s / 2).timeout_s == ceiling_s / 2
    assert make_task(timeout_s=ceiling_s * 2).timeout_s == ceiling_s


# The life of a task.


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("target", TaskState)
def test_a_task_moves_only_where_its_moves_lead(state: TaskState, target: TaskState) -> None:
    task = make_task(state)
    if target in MOVES[state]:
        task.move_to(target)
        assert task.state is target
        assert (task.finished_at is not None) == target.terminal
    else:
        with pytest.raises(IllegalMove, match=f"{state} -> {target}"):
            task.move_to(target)
        assert task.state is state


def test_nothing_follows_a_terminal_state() -> None:
    terminal = {state for state in TaskState if state.terminal}
    assert terminal == {TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED}


def test_each_task_has_an_id_of_its_own_that_sorts_by_age() -> None:
    tasks = [make_task() for _ in range(50)]
    assert len({task.id for task in tasks}) == 50
    assert sorted(task.id for task in tasks) == [task.id for task in tasks]


def test_time_is_counted_where_it_was_spent() -> None:
    task = make_task()
    task.queued_mono -= 10
    assert 10_000 <= task.queued_ms < 20_000
    assert task.run_ms == 0
    task.begin_attempt("w1", 0)
    task.started_mono -= 100
    assert 10_000 <= task.queued_ms < 20_000
    assert 100_000 <= task.run_ms < 110_000
    task.move_to(TaskState.QUEUED)  # a retry adds to both
    task.queued_mono -= 10
    task.begin_attempt("w1", 0)
    task.started_mono -= 100
    task.move_to(TaskState.COMPLETED)
    assert 20_000 <= task.queued_ms < 30_000
    assert 200_000 <= task.run_ms < 210_000


def test_the_start_shown_is_the_first_one() -> None:
    task = make_task(TaskState.RUNNING)
    started_at = task.started_at
    task.move_to(TaskState.QUEUED)
    task.begin_attempt("w2", 1)
    assert task.started_at == started_at
    assert task.worker == "w2"


def test_a_refused_offer_leaves_no_trace() -> None:
    task = make_task()
    task.queued_mono -= 10
    arrival = task.queued_mono
    task.begin_attempt("w1", 0)
    task.started_mono -= 5
    task.undo_attempt()
    assert (task.state, task.attempts) == (TaskState.QUEUED, [])
    assert (task.worker, task.started_at) == (None, None)
    assert task.queued_mono == arrival
    assert 10_000 <= task.queued_ms < 20_000
    assert task.run_ms == 0


def test_the_slot_of_a_worker_elsewhere_is_known_when_the_attempt_has_begun() -> None:
    task, began = make_task(), []
    task.begin_on(7)  # there is no attempt yet: nothing happens
    task.begin_attempt("w1", None)
    assert task.attempts[0].line() == "attempt 1 on w1"
    task.on_begin = lambda: began.append(task.attempts[-1].slot)
    task.begin_on(3)
    task.begin_on(4)
    assert began == [3]  # called once
    assert task.attempts[0].line() == "attempt 1 on slot 4 of w1"
    task.begin_on(4)  # the worker says it again after a reconnect
    assert [orjson.loads(log_line(line))["line"] for line in task.logs.after(0)] == [
        "attempt 1 on w1",
        "attempt 1 on slot 3 of w1",
        "attempt 1 on slot 4 of w1",
    ]


def test_the_end_of_an_attempt_is_noted_once() -> None:
    task = make_task()
    task.end_attempt(None)  # there is none yet
    task.begin_attempt("w1", 3)
    error = FunctionFailed("it failed")
    task.end_attempt(error)
    ended_at = task.attempts[0].ended_at
    task.end_attempt(None)
    assert task.attempts[0].error is error
    assert task.attempts[0].ended_at == ended_at


def test_an_attempt_names_its_slot_by_pool_and_number() -> None:
    task = make_task()
    task.begin_attempt("w1", 2, "logins")
    attempt = task.attempts[0]
    assert (attempt.to_json()["pool"], attempt.to_json()["slot"]) == ("logins", 2)
    assert attempt.line() == "attempt 1 on slot 2 of w1, pool logins"
    attempt.slot = None  # a remote one, before the worker's answer
    assert attempt.line() == "attempt 1 on w1"


def test_attempts_and_steps_are_shown_with_their_times() -> None:
    task = make_task(TaskState.RUNNING)
    shown = task.attempts[0].to_json()
    assert shown == {
        "number": 1,
        "worker": "w1",
        "pool": None,
        "slot": 0,
        "started_at": iso(task.started_at),
        "ended_at": None,
        "error": None,
    } | {"started_at": shown["started_at"]}
    task.end_attempt(FunctionFailed("it failed"))
    assert task.attempts[0].to_json()["error"]["detail"] == "it failed"
    step = Step("login", "shop/login", StepState.COMPLETED, 0.0, 1.5, output=b'{"ok":true}')
    assert orjson.loads(orjson.dumps(step.to_json())) == {
        "name": "login",
        "function": "shop/login",
        "action": None,
        "worker": None,
        "input": None,
        "status": "completed",
        "started_at": "1970-01-01T00:00:00.000Z",
        "ended_at": "1970-01-01T00:00:01.500Z",
        "output": {"ok": True},
        "error": None,
    }
    step.end(StepState.FAILED, error="no such user")
    assert step.ended_at is not None
    assert step.ended_at > 1.5
    assert (step.state, step.output, step.error) == (StepState.FAILED, b"null", "no such user")
    task.steps.append(step)
    assert task.step_names() == ["_node", "main", "login"]


def test_a_step_that_has_not_started_has_no_start() -> None:
    step = Step.pending("login", "shop/order", action="click")
    shown = step.to_json()
    assert (shown["status"], shown["started_at"], shown["action"]) == ("pending", None, "click")
    step.begin(worker="w1", input=b'{"selector":"button"}')
    shown = orjson.loads(orjson.dumps(step.to_json()))
    assert (shown["status"], shown["worker"]) == ("running", "w1")
    assert shown["input"] == {"selector": "button"}
    assert shown["started_at"] is not None


@pytest.mark.parametrize(
    ("state", "closed"),
    [
        (StepState.PENDING, StepState.SKIPPED),
        (StepState.READY, StepState.SKIPPED),
        (StepState.RUNNING, StepState.CANCELLED),
        (StepState.COMPLETED, StepState.COMPLETED),
        (StepState.FAILED, StepState.FAILED),
        (StepState.SKIPPED, StepState.SKIPPED),
    ],
)
def test_the_end_of_an_attempt_closes_its_steps(state: StepState, closed: StepState) -> None:
    step = Step("login", "shop/login", state)
    step.close()
    assert step.state is closed


def test_the_answer_carries_the_result_as_it_is() -> None:
    task = make_task(TaskState.RUNNING)
    task.result = b'{"a":[1]}'
    answer = orjson.loads(orjson.dumps(task.answer()))
    assert answer == {
        "success": True,
        "id": task.id,
        "result": {"a": [1]},
        "worker": "w1",
        "queued_ms": task.queued_ms,
        "run_ms": answer["run_ms"],
    }


def test_the_log_keeps_the_newest_lines_and_says_how_many_went() -> None:
    task = make_task()
    for number in range(LOG_LINES_LIMIT + 2):
        task.log(f"line {number}", stream="stderr", step="main")
    assert task.logs.missing_after(0) == 2
    line = orjson.loads(log_line(task.logs.last))
    assert line.pop("ts").endswith("Z")
    assert line == {"stream": "stderr", "step": "main", "line": f"line {LOG_LINES_LIMIT + 1}"}


@pytest.mark.parametrize("extra", [0, 1, 50_000])
def test_a_line_of_the_log_has_a_bounded_length(extra: int) -> None:
    task = make_task()
    task.log("x" * (LINE_CHARS + extra), step="main")
    line = orjson.loads(log_line(task.logs.last))["line"]
    assert line[:LINE_CHARS] == "x" * LINE_CHARS
    assert line[LINE_CHARS:] == (f" … ({extra} more characters)" if extra else "")


def test_the_log_tells_what_the_node_did() -> None:
    task = make_task()
    task.begin_attempt("w1", 3)
    task.log("from the function", step="main")
    task.end_attempt(Internal("the first one broke"))
    task.move_to(TaskState.QUEUED)
    task.log("attempt failed: the first one broke; trying again in 0.5 s")
    task.begin_attempt("w2", 0)
    task.end_attempt(None)
    task.move_to(TaskState.COMPLETED)
    task.announce_end()
    lines = [orjson.loads(log_line(event)) for event in task.logs.after(0)]
    assert [(line["step"], line["line"]) for line in lines] == [
        ("_node", "attempt 1 on slot 3 of w1"),
        ("main", "from the function"),
        ("_node", "attempt failed: the first one broke; trying again in 0.5 s"),
        ("_node", "attempt 2 on slot 0 of w2"),
        ("_node", "completed"),
    ]
    assert sorted(line["ts"] for line in lines) == [line["ts"] for line in lines]
    assert task.logs.closed


def test_what_a_task_takes_grows_with_what_it_says() -> None:
    task = make_task()
    before = task.footprint()
    task.log("x" * 1000)
    task.events.append("chunk", "x" * 1000)
    task.result = b"1" * 1000
    step = Step.pending("part", "other")
    step.begin(worker=None, input=b"1" * 1000)
    step.end(StepState.COMPLETED, output=b"1" * 1000)
    task.steps.append(step)
    assert before + 5000 <= task.footprint() < before + 7000


async def test_everyone_who_waits_for_the_end_is_told_also_those_who_come_later() -> None:
    task = make_task()
    waiters = [asyncio.create_task(task.wait_finished()) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    await asyncio.sleep(0)
    assert [waiter.done() for waiter in waiters] == [True, False, False]
    assert len(task._waiters) == 2  # who gave up left nothing behind
    task.announce_end()
    await asyncio.gather(*waiters[1:])
    await task.wait_finished()
    assert task.events.closed
    assert task.logs.closed


async def test_the_end_can_be_announced_when_nobody_waits_and_again_later() -> None:
    task = make_task()
    task.announce_end()
    await task.wait_finished()
    waited = make_task()
    waiter = asyncio.create_task(waited.wait_finished())
    await asyncio.sleep(0)
    waited.announce_end()
    waited.announce_end()
    await waiter


def test_a_deadline_says_what_is_left_and_never_less_than_nothing() -> None:
    assert 3590 < Deadline.after(3600).remaining_s <= 3600
    assert Deadline.after(-1).remaining_s == 0


def test_times_are_shown_in_utc_to_the_millisecond() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00.000Z"
    assert iso(1893456000.1239) == "2030-01-01T00:00:00.123Z"
    assert iso(None) is None
