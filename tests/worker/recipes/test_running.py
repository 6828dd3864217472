"""Recipes that run: order, conditions, loops, retries, time limits, results."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import pytest_asyncio

from tests.harness.in_process.worker import RunningWorker, browserless_worker
from worker.recipes import kept_outputs

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLAKY = """
    attempts = []

    @function()
    async def flaky(context: Context, fails: int) -> int:
        attempts.append(1)
        if len(attempts) <= fails:
            raise RuntimeError(f"attempt {len(attempts)}")
        return len(attempts)
"""
COUNTS = """
    seen = []

    @function()
    async def counts(context: Context, reset: bool = False) -> int:
        if reset:
            seen.clear()
        seen.append(1)
        return len(seen)
"""


class Kitchen:
    """A worker without a browser, and the recipes that tests give it."""

    def __init__(self, worker: RunningWorker) -> None:
        self.worker = worker
        self._numbers = count(1)

    async def add(self, text: str) -> str:
        """Add a recipe; its name."""
        name = f"recipe{next(self._numbers)}"
        self.worker.folder.path.joinpath(f"{name}.yaml").write_text(dedent(text))
        await self.worker.reload()
        broken = [one for one in self.worker.worker.registry.broken if name in one.path]
        assert not broken, broken
        return name

    async def cook(self, text: str, **given: Any) -> Any:
        """The result of a recipe."""
        return await self.worker.call(await self.add(text), **given)

    async def failure(self, text: str, **given: Any) -> Any:
        """The problem of a recipe that fails."""
        return await self.worker.problem(await self.add(text), **given)

    async def broken(self, text: str) -> str:
        """Why a recipe cannot be loaded."""
        name = f"broken{next(self._numbers)}"
        path = self.worker.folder.path / f"{name}.yaml"
        path.write_text(dedent(text))
        await self.worker.reload()
        (found,) = [one.error for one in self.worker.worker.registry.broken if name in one.path]
        path.unlink()
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kitchen(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kitchen]:
    folder: Path = tmp_path_factory.mktemp("recipes")
    functions = {"flaky.py": FLAKY, "counts.py": COUNTS}
    async with browserless_worker(folder, functions) as worker:
        yield Kitchen(worker)


async def test_steps_run_in_order_and_their_outputs_are_the_result(kitchen: Kitchen) -> None:
    result = await kitchen.cook(
        """
        input: {name: string}
        steps:
          - {name: first, action: set, with: {greeting: "Hello {{ input.name }}"}}
          - name: second
            action: set
            with: {length: "{{ steps.first.output.greeting | length }}"}
        """,
        name="Ada",
    )
    assert result == {"first": {"greeting": "Hello Ada"}, "second": {"length": 9}}


async def test_return_is_the_result(kitchen: Kitchen) -> None:
    result = await kitchen.cook(
        """
        steps:
          - {name: one, action: set, with: {n: 1}}
        return: {n: "{{ steps.one.output.n + 1 }}", of: "{{ vars.n }}"}
        """
    )
    assert result == {"n": 2, "of": 1}


async def test_the_action_return_ends_the_recipe_also_within_a_loop(kitchen: Kitchen) -> None:
    result = await kitchen.cook(
        """
        steps:
          - name: each
            for_each: [1, 2, 3]
            steps:
              - {action: return, with: {value: "{{ item }}"}, when: "{{ item == 2 }}"}
          - {action: fail, with: {message: "not reached"}}
        """
    )
    assert result == 2


async def test_a_step_whose_condition_does_not_hold_is_skipped(kitchen: Kitchen) -> None:
    result = await kitchen.cook(
        """
        input: {go: boolean}
        steps:
          - {name: maybe, when: "{{ input.go }}", action: set, with: {n: 1}}
        return: "{{ steps.maybe.status }}"
        """,
        go=False,
    )
    assert result == "skipped"


async def test_a_loop_gives_a_list_and_is_one_step_of_the_task(kitchen: Kitchen) -> None:
    name = await kitchen.add(
        """
        steps:
          - name: each
            for_each: ["a", "b", "c"]
            steps:
              - {name: one, action: set, with: {text: "{{ index }}{{ item }}"}}
              - {name: two, action: set, with: {text: "{{ steps.one.output.text | upper }}"}}
        return: "{{ steps.each.output | map(attribute='two') | map(attribute='text') | list }}"
        """
    )
    submitted = await kitchen.worker.start(name)
    assert await submitted.result() == ["0A", "1B", "2C"]
    task = await kitchen.worker.task(submitted.task.id)
    assert [(step["name"], step["status"]) for step in task["steps"]] == [("each", "completed")]


async def test_a_loop_of_one_action_needs_no_nested_steps(kitchen: Kitchen) -> None:
    result = await kitchen.cook(
        """
        input: {names: {type: array}}
        steps:
          - name: greet
            for_each: "{{ input.names }}"
            action: call
            with: {function: nobody, input: {name: "{{ item }}"}}
            continue_on_error: true
          - {name: each, for_each: "{{ input.names }}", action: set, with: {last: "{{ item }}"}}
        return: ["{{ steps.greet.output }}", "{{ vars.last }}"]
        """,
        names=["Ada", "Grace"],
    )
    assert result == [[None, None], "Grace"]


async def test_a_loop_goes_on_after_errors_if_it_says_so(kitchen: Kitchen) -> None:
    name = await kitchen.add(
        """
        steps:
          - name: each
            for_each: [1, 2, 3]
            continue_on_error: true
            steps:
              - {action: fail, with: {message: "no {{ item }}"}, when: "{{ item == 2 }}"}
              - {name: ok, action: set, with: {n: "{{ item }}"}}
        return: "{{ steps.each.output }}"
        """
    )
    submitted = await kitchen.worker.start(name)
    first, second, third = await submitted.result()
    assert (first["ok"], second, third["ok"]) == ({"n": 1}, None, {"n": 3})
    log = await kitchen.worker.log_of(submitted.task.id)
    assert "1 of 3 rounds of each failed" in log
    assert "no 2" in log


async def test_repeat_runs_until_its_condition_holds(kitchen: Kitchen) -> None:
    result = await kitchen.cook(
        """
        steps:
          - {name: reset, action: call, with: {function: counts, input: {reset: true}}}
          - name: until_four
            repeat: {until: "{{ steps.n.output >= 4 }}", pause_s: 0.001}
            steps:
              - {name: n, action: call, with: {function: counts}}
        return: "{{ steps.until_four.output | length }}"
        """
    )
    assert result == 3


async def test_until_may_read_the_output_of_its_own_action(kitchen: Kitchen) -> None:
    result = await kitchen.cook(
        """
        steps:
          - {name: reset, action: call, with: {function: counts, input: {reset: true}}}
          - name: poll
            action: call
            with: {function: counts}
            repeat: {until: "steps.poll.output >= 3", pause_s: 0}
        return: "{{ steps.poll.output }}"
        """
    )
    assert result == [2, 3]


async def test_repeat_that_never_ends_is_an_error(kitchen: Kitchen) -> None:
    problem = await kitchen.failure(
        """
        steps:
          - name: forever
            repeat: {while: true, max: 5, pause_s: 0}
            steps:
              - {action: set, with: {n: "{{ index }}"}}
        """
    )
    assert "step forever" in problem["detail"]
    assert "after 5 rounds" in problem["detail"]


async def test_a_step_is_tried_again(kitchen: Kitchen) -> None:
    text = """
        steps:
          - name: flaky
            action: call
            with: {function: flaky, input: {fails: 2}}
            retry: {attempts: 3, delay_s: 0.001}
        return: "{{ steps.flaky.output }}"
        """
    assert await kitchen.cook(text) == 3


async def test_a_template_that_cannot_be_filled_is_not_tried_again(kitchen: Kitchen) -> None:
    problem = await kitchen.failure(
        """
        input: {rows: array, n: any}
        steps:
          - name: first
            action: log
            with: {line: "{{ input.rows[0] }}"}
            retry: {attempts: 10, delay_s: 3600}
        """,
        rows=[],
        n=1,
    )
    assert "step first (log, line 4): " in problem["detail"]
    problem = await kitchen.failure(
        """
        input: {n: any}
        steps:
          - {action: sleep, with: {seconds: "{{ input.n }}"}, retry: {attempts: 10, delay_s: 3600}}
        """,
        n="long",
    )
    expected = "step sleep (sleep, line 4): with/seconds: 'long' is not of type 'number'"
    assert problem["detail"].endswith(expected), problem["detail"]


async def test_a_call_of_a_broken_recipe_says_what_is_wrong_with_its_file(
    kitchen: Kitchen,
) -> None:
    path = kitchen.worker.folder.path / "unfinished.yaml"
    path.write_text("steps:\n  - {action: open}\n")
    await kitchen.worker.reload()
    problem = await kitchen.worker.problem("unfinished", 404)
    path.unlink()
    expected = 'faults: line 2: /steps/0/action: there is no action "open"; did you mean goto?'
    assert problem["detail"].endswith(expected), problem["detail"]


async def test_an_error_that_is_allowed_is_seen_by_later_steps(kitchen: Kitchen) -> None:
    result = await kitchen.cook(
        """
        steps:
          - {name: bad, action: fail, with: {message: "no offer"}, continue_on_error: true}
        return: "{{ steps.bad.status }}: {{ steps.bad.error }}"
        """
    )
    assert result == "failed: step bad (fail, line 3): no offer"


async def test_a_failure_names_step_action_and_line(kitchen: Kitchen) -> None:
    problem = await kitchen.failure(
        """
        steps:
          - name: outer
            steps:
              - {name: inner, action: fail, with: {message: "no offer"}}
              - {name: after, action: sleep, with: {seconds: 600}}
          - {name: last, action: sleep, with: {seconds: 600}}
        """
    )
    assert problem["detail"].endswith("step outer (line 3): step inner (fail, line 5): no offer"), (
        problem["detail"]
    )
    task = await kitchen.worker.task(problem["task_id"])
    assert [(step["name"], step["action"], step["status"]) for step in task["steps"]] == [
        ("outer", None, "failed"),
        ("outer.inner", "fail", "failed"),
        ("outer.after", "sleep", "skipped"),
        ("last", "sleep", "skipped"),
    ]
    assert "Traceback" not in await kitchen.worker.log_of(problem["task_id"])


async def test_a_template_that_finds_nothing_says_what_and_where(kitchen: Kitchen) -> None:
    problem = await kitchen.failure(
        """
        steps:
          - {name: one, action: set, with: {n: 1}}
          - {name: two, action: set, with: {m: "{{ steps.one.output.nn }}"}}
        """
    )
    assert "step two (set, line 4): `{{ steps.one.output.nn }}`" in problem["detail"]
    assert "NotDefined" not in problem["detail"]
    problem = await kitchen.failure(
        """
        steps: [{name: one, action: set, with: {n: 1}}]
        return: "{{ steps.one.output.nn }}"
        """
    )
    assert "return (line 3): `{{ steps.one.output.nn }}`" in problem["detail"]


async def test_a_value_of_another_type_is_named_with_a_way_out(kitchen: Kitchen) -> None:
    problem = await kitchen.failure(
        """
        input: {n: integer}
        steps: [{action: fail, with: {message: "{{ input.n }}"}}]
        """,
        n=3,
    )
    assert problem["detail"].endswith(
        "step fail (fail, line 3): with/message: 3 is not of type 'string'; a template alone keeps "
        "its type: `|tojson` or text around it gives text"
    )


async def test_a_step_has_a_time_limit(kitchen: Kitchen) -> None:
    problem = await kitchen.failure(
        """
        steps:
          - {name: slow, action: sleep, with: {seconds: 600}, timeout_s: 0.05}
        """
    )
    assert "step slow (sleep, line 3): sleep: not within 0.05 s" in problem["detail"]


async def test_a_large_output_becomes_an_artifact_and_templates_see_it_whole(
    kitchen: Kitchen,
) -> None:
    name = await kitchen.add(
        """
        input: {text: string}
        steps:
          - {name: large, action: set, with: {text: "{{ input.text }}"}}
        return: "{{ steps.large.output.text | length }}"
        """
    )
    submitted = await kitchen.worker.start(name, text="x" * 70_000)
    assert await submitted.result() == 70_000
    (step,) = (await kitchen.worker.task(submitted.task.id))["steps"]
    assert step["output"]["artifact"] == "large.json"
    kept = await kitchen.worker.artifact(submitted.task.id, "large.json")
    assert len(kept) > 70_000


async def test_recipes_call_functions_and_recipes(kitchen: Kitchen) -> None:
    inner = await kitchen.add(
        """
        input: {n: integer}
        steps: [{name: one, action: set, with: {n: "{{ input.n }}"}}]
        return: "{{ steps.one.output.n * 2 }}"
        """
    )
    result = await kitchen.cook(
        f"""
        steps: [{{name: doubled, action: call, with: {{function: {inner}, input: {{n: 21}}}}}}]
        return: "{{{{ steps.doubled.output }}}}"
        """
    )
    assert result == 42


async def test_a_cycle_of_calls_is_an_error(kitchen: Kitchen) -> None:
    worker = kitchen.worker
    for one, other in (("ring1", "ring2"), ("ring2", "ring1")):
        text = f"steps: [{{action: call, with: {{function: {other}}}}}]"
        (worker.folder.path / f"{one}.yaml").write_text(text)
    await worker.reload()
    problem = await worker.problem("ring1")
    assert "cycle: ring1 -> ring2 -> ring1" in problem["detail"]


async def test_more_items_than_possible_are_refused(kitchen: Kitchen) -> None:
    problem = await kitchen.failure(
        """
        input: {n: {type: array}}
        steps: [{name: each, for_each: "{{ input.n }}", action: log, with: {line: x}}]
        """,
        n=[0] * 10_001,
    )
    assert "for_each has 10001 items; 10000 are possible" in problem["detail"]


async def test_a_status_line_is_emitted(kitchen: Kitchen) -> None:
    name = await kitchen.add(
        """
        input: {n: integer}
        steps: [{status: "number {{ input.n }}", action: set, with: {n: 1}}]
        """
    )
    events = await kitchen.worker.stream(name, n=3)
    assert "number 3" in [data.get("text") for kind, data in events if kind == "status"]


async def test_a_bad_parameter_is_found_when_the_file_is_loaded(kitchen: Kitchen) -> None:
    error = await kitchen.broken(
        """
        steps:
          - {action: sleep, with: {second: 1}}
        """
    )
    assert "line 3" in error
    assert "second" in error
    assert "seconds" in error


async def test_a_flow_is_listed_by_no_worker_and_is_no_error(kitchen: Kitchen) -> None:
    worker = kitchen.worker
    (worker.folder.path / "nightly.yaml").write_text(
        "kind: flow\nsteps: [{name: one, function: hello}]\n"
    )
    await worker.reload()
    assert worker.worker.registry.runnable("nightly") is None
    assert not [one for one in worker.worker.registry.broken if "nightly" in one.path]
    assert (await worker.get("/health"))["flows"] == ["nightly.yaml"]


async def test_loops_of_steps_that_wait_for_nothing_leave_the_worker_its_turns(
    kitchen: Kitchen,
) -> None:
    problem = await kitchen.failure(
        """
        timeout_s: 0.3
        input: {items: array}
        steps:
          - for_each: "{{ input.items }}"
            name: outer
            steps:
              - for_each: "{{ input.items }}"
                name: inner
                steps:
                  - {action: set, with: {a: 1}, when: "index > 1000000"}
        """,
        status=504,
        items=list(range(1000)),
    )
    assert "ran longer than its 0.3 s" in problem["detail"]


@pytest.mark.parametrize("extra", ["", ", continue_on_error: true"])
async def test_what_loops_keep_is_bounded(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    monkeypatch.setattr(kept_outputs, "KEPT_MOST", 100_000)
    problem = await kitchen.failure(
        f"""
        steps:
          - name: outer
            repeat: {{max: 1000}}
            steps:
              - {{action: set, with: {{text: "{"x" * 1000}"}}{extra}}}
              - {{action: set, with: {{done: "{{{{ index }}}}"}}}}
        """
    )
    assert (
        "the outputs of all rounds of the loops take more than 100,000 bytes" in (problem["detail"])
    )
    assert "step set (line 6): " in problem["detail"]


async def test_a_failure_names_its_step_and_file_however_deep_it_is(kitchen: Kitchen) -> None:
    inner = await kitchen.add("steps: [{action: fail, with: {message: no offer}}]")
    steps = [f"{'  ' * 2 * level}- name: block_with_a_long_name_{level}" for level in range(20)]
    blocks = [f"{line}\n{'  ' * (2 * level + 1)}steps:" for level, line in enumerate(steps)]
    call = f"{'  ' * 40}- {{action: call, with: {{function: {inner}}}}}"
    problem = await kitchen.failure("\n".join(["steps:", *blocks, call]))
    why = f"step call (call, line 42): {inner}: step fail (fail, line 1): no offer"
    assert problem["detail"].endswith(why)
    assert "step block_with_a_long_name_19 (line 40): " in problem["detail"]
    problem = await kitchen.failure(
        """
        steps:
          - {name: rounds, for_each: [1, 2], steps: [
              {name: block, continue_on_error: true, steps: [{action: fail, with: {message: one}}]},
              {action: fail, with: {message: two}}]}
        """
    )
    assert "step rounds (line 3): round 0: step fail_2 (fail, line 5): two" in problem["detail"]
