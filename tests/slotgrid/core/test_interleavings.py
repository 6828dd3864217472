"""Any order of happenings, on the real event loop: slots add up, and each task ends once."""

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from slotgrid.core.lease import CLEANING, HELD, STARTED, class_of
from slotgrid.core.runner import Refused
from slotgrid.core.task import Task
from slotgrid.core.task_states import TaskState
from tests.slotgrid.core.fakes import FLOW, FakeNode, function, make_node, terminal_events, until

SPECS = [
    function("anything"),
    function("single", concurrency=1),
    function("needy", requires=("db",)),
    function("other_pool", pool="logins"),
    function("twice_is_safe", retries=2),
    FLOW,
]
POOLS = {"default": 2, "logins": 1}

Step = tuple[str, int, int]
steps = st.tuples(
    st.sampled_from(
        ["submit", "ask"] * 4
        + ["turn"] * 6
        + ["finish", "fail", "refuse", "break", "cancel", "leave", "expire", "wake_nap", "clean"]
        + ["service"]
    ),
    st.integers(0, 20),
    st.integers(1, 9),
)


class Story:
    """Does the steps, and looks after each whether everything still adds up."""

    def __init__(self, *, cleans: bool) -> None:
        self.node = make_node(*SPECS, pools=POOLS, queue_limit=6)
        self.node.runner.cleans = cleans
        self.tasks: list[Task] = []
        self.callers: dict[str, asyncio.Task[None]] = {}
        self.left: set[str] = set()

    async def run(self, story: list[Step]) -> None:
        for name, index, priority in story:
            if name == "turn":
                await asyncio.sleep(0)
            elif name in {"submit", "ask"}:
                spec = SPECS[index % len(SPECS)]
                fields = {"wait_s": 0} if index > 17 else {}
                task = self.node.task(spec, priority=priority, **fields)
                self.tasks.append(task)
                if name == "submit":
                    self.node.supervisor.start(task)
                else:
                    self.callers[task.id] = asyncio.create_task(self._ask(task))
                    await asyncio.sleep(0)  # a caller who leaves before has never asked
            else:
                self._happen(name, index)
            self._look()
        await self._let_everything_end()

    def _happen(self, name: str, index: int) -> None:
        node, runner = self.node, self.node.runner
        running = [t for t in self.tasks if t.id in runner.running]
        running = [t for t in running if not runner.running[t.id].done()]
        happenings: dict[str, tuple[list[Any], Callable[[Any], object]]] = {
            "finish": (running, runner.finish),
            "fail": (running, lambda task: runner.fail(task, retryable=True)),
            "refuse": (running, lambda task: runner.end(task, Refused())),
            "break": (running, lambda task: runner.end(task, ZeroDivisionError())),
            "cancel": (self.tasks, lambda task: node.supervisor.cancel(task, "the story says so")),
            "leave": (list(self.callers), self._leave),
            "expire": (list(node.queue.entries()), node.dispatcher.expire),
            "wake_nap": (list(range(len(node.naps.sleeping))), node.naps.wake),
            "clean": (list(runner.cleaning.values()), lambda c: c.done() or c.set_result(None)),
            "service": ([None], lambda _: self._toggle_service()),
        }
        those, happen = happenings[name]
        if those:
            happen(those[index % len(those)])

    async def _ask(self, task: Task) -> None:
        """A caller that waits for the task, and cancels it when it leaves."""
        self.node.supervisor.start(task)
        try:
            await task.wait_finished()
        except asyncio.CancelledError:
            self.node.supervisor.cancel(task, "the caller disconnected")
            raise

    def _leave(self, task_id: str) -> None:
        if self.callers[task_id].cancel():
            self.left.add(task_id)

    def _toggle_service(self) -> None:
        self.node.services_down ^= {"db"}
        self.node.dispatcher.wake()

    def _look(self) -> None:
        node = self.node
        assert node.dispatcher.leased == node.slots.used <= node.slots.total
        leases = node.dispatcher.lease_states()
        assert leases[HELD] + leases[STARTED] == node.supervisor.running
        assert leases[CLEANING] == node.supervisor.cleaning
        held = [t for t in self.tasks if t.id in node.runner.running and t.spec.needs_slot]
        assert len(held) + node.supervisor.cleaning <= node.slots.used
        single = [t for t in self.tasks if t.spec.name == "single" and t.id in node.runner.running]
        assert len(single) <= 1
        assert node.dispatcher.waiting <= node.queue.limit

    async def _let_everything_end(self) -> None:
        node, runner = self.node, self.node.runner
        node.services_down.clear()
        node.dispatcher.wake()

        def all_ended() -> bool:
            for task in self.tasks:
                if task.id in runner.running and not runner.running[task.id].done():
                    runner.finish(task)
            for cleaning in runner.cleaning.values():
                if not cleaning.done():
                    cleaning.set_result(None)
            for number in range(len(node.naps.sleeping)):
                node.naps.wake(number)
            self._look()
            return not node.supervisor.live

        await until(all_ended, turns=50 + 20 * len(self.tasks))
        node.assert_nothing_leaked()
        await asyncio.gather(*self.callers.values(), return_exceptions=True)
        for task_id, caller in self.callers.items():
            assert caller.cancelled() == (task_id in self.left)
        for spec in SPECS:
            assert node.gates.closed_by(class_of(node.task(spec))) is None
        for task in self.tasks:
            self._assert_ended_once(node, task)

    def _assert_ended_once(self, node: FakeNode, task: Task) -> None:
        assert node.observer.count("accepted", task) == 1
        assert node.observer.count("finished", task) == 1
        assert [event.id for event in terminal_events(task)] == [task.events.last_id]
        assert task.events.closed
        assert task.state.terminal
        assert (task.error is None) == (task.state is TaskState.COMPLETED)
        assert all(attempt.ended_at is not None for attempt in task.attempts)
        assert len(task.attempts) <= task.spec.retries + 1


@settings(max_examples=150)
@given(story=st.lists(steps, max_size=80), cleans=st.booleans())
def test_slots_add_up_and_every_task_ends_exactly_once(story: list[Step], cleans: bool) -> None:
    asyncio.run(Story(cleans=cleans).run(story))


def test_a_refused_task_that_ends_elsewhere_is_cleaned_up_after_in_both_slots() -> None:
    story = [("ask", 0, 1), ("refuse", 0, 1), ("turn", 0, 1)]
    asyncio.run(Story(cleans=True).run([*story, ("ask", 0, 1), ("finish", 0, 1), ("ask", 0, 1)]))


def test_a_story_with_every_happening_in_it_is_told_to_its_end() -> None:
    names = ("turn", "finish", "fail", "refuse", "break", "cancel", "leave", "expire", "wake_nap")
    story: list[Step] = []
    for number, name in enumerate(names * 4):
        story += [("submit", number, 1 + number % 9), ("turn", 0, 1), ("turn", 0, 1)]
        story += [("ask", number + 1, 5), (name, number, 1), ("clean", 0, 1)]
        story += [("service", 0, 1), ("turn", 0, 1)]
    told = Story(cleans=True)
    asyncio.run(told.run(story))
    assert len(told.tasks) == 72
    assert told.left
    assert {task.state for task in told.tasks} == {
        TaskState.COMPLETED,
        TaskState.FAILED,
        TaskState.CANCELLED,
    }
