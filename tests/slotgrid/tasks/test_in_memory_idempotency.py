"""Keys are remembered for as long as their tasks are, and no longer."""

from slotgrid.core.submission import Submission
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from slotgrid.tasks.in_memory_idempotency import SWEEP_FROM, MemoryIdempotency
from tests.slotgrid.core.fakes import PLAIN


def _task(owner: str = "root") -> Task:
    return Task(Submission(function="plain"), PLAIN, owner=owner, input={})


def test_keys_of_two_owners_are_two_keys() -> None:
    ours, theirs = _task("root"), _task("other")
    tasks = {task.id: task for task in (ours, theirs)}
    idempotency = MemoryIdempotency(tasks.get)
    assert idempotency.claim(ours, "k", "h")[0] is ours
    assert idempotency.claim(theirs, "k", "h")[0] is theirs
    assert idempotency.claim(_task("other"), "k", "h")[0] is theirs


def test_a_forgotten_task_frees_its_key_for_any_body() -> None:
    tasks: dict[str, Task] = {}
    idempotency = MemoryIdempotency(tasks.get)
    first, second = _task(), _task()
    tasks[first.id] = first
    idempotency.claim(first, "k", "h")
    del tasks[first.id]
    assert idempotency.claim(second, "k", "another")[0] is second


def test_a_task_that_ended_without_starting_frees_its_key_and_one_that_ran_does_not() -> None:
    tasks: dict[str, Task] = {}
    idempotency = MemoryIdempotency(tasks.get)
    for starts in (0, 1):
        first, second = _task(), _task()
        tasks |= {first.id: first, second.id: second}
        idempotency.claim(first, f"k{starts}", "h")
        if starts:
            first.begin_attempt("w", 0)
            first.end_attempt(None)
        first.move_to(TaskState.CANCELLED)
        claimed, _ = idempotency.claim(second, f"k{starts}", "h")
        assert claimed is (first if starts else second)


def test_keys_of_forgotten_tasks_take_no_room_for_long() -> None:
    remembered: dict[str, Task] = {}
    idempotency = MemoryIdempotency(remembered.get)
    for number in range(5 * SWEEP_FROM):
        task = _task()
        remembered = {task.id: task}
        idempotency._find = remembered.get
        idempotency.claim(task, f"key {number}", "h")
        assert len(idempotency) <= SWEEP_FROM + 1


def test_a_request_without_a_key_is_never_remembered() -> None:
    task = _task()
    idempotency = MemoryIdempotency({task.id: task}.get)
    assert idempotency.claim(task, None, "")[0] is task
    assert len(idempotency) == 0
