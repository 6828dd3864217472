"""Values that a flow's templates give and nobody can use: a clear error, at the right step."""

from pathlib import Path

import pytest

from tests.balancer.flows.flow_folder import balancer_with, ended, run, shown, states
from tests.harness.waiting import until

ONE = "steps: [{name: one, function: echo, with: {value: 1}}]"


@pytest.mark.parametrize(
    ("flow", "detail"),
    [
        (
            "steps: [{name: one, function: echo, timeout_s: 3600, with: {value: 1}}]",
            'step one: /timeout_s: must be at most 30, the ceiling of the function "echo"',
        ),
        (
            "steps: [{name: one, function: echo, with: {value: {}}}]\n"
            'return: "{{ steps.one.output.missing }}"',
            "return (line 3): ",
        ),
        (
            "output: {type: string}\n" + ONE + '\nreturn: "{{ steps.one.output }}"',
            "the flow returned what its output does not allow: the whole: 1 is not of type",
        ),
        (
            'steps: [{name: one, function: echo, when: "{{ input.n > 1 }}"}]\ninput: {n: any}',
            "step one: ",
        ),
    ],
    ids=["time limit", "return", "output", "condition"],
)
async def test_a_value_that_does_not_fit_fails_the_flow_with_its_place(
    tmp_path: Path, flow: str, detail: str
) -> None:
    async with balancer_with(tmp_path, {"wrong": flow}) as balancer:
        await balancer.worker()
        given = {"n": "many"} if "input" in flow and "n: any" in flow else {}
        task = await run(balancer, "wrong", **given)
        assert task["status"] == "failed"
        assert task["error"]["detail"].startswith(detail), task["error"]["detail"]


async def test_what_follows_a_flow_and_cannot_start_is_said_and_harms_nothing(
    tmp_path: Path,
) -> None:
    follows = "on_success: {function: echo, input: {value: '{{ result.x }}'}}"
    flows = {
        "template": f"{ONE}\n{follows}",
        "unknown": f"{ONE}\non_success: {{function: nobody}}",
    }
    async with balancer_with(tmp_path, flows) as balancer:
        await balancer.worker()
        task = await run(balancer, "template")
        logs = await balancer.request("GET", f"/tasks/{task['id']}/logs")
        assert b"which follows the flow, cannot start" in logs.body
        assert (await run(balancer, "unknown"))["status"] == "completed"
        await until(lambda: bool(balancer.events_logged("flow.follower_refused")), 20)
        assert "nobody" in balancer.events_logged("flow.follower_refused")[0]["reason"]
        assert (await balancer.get("/tasks?source=flow"))["total"] == 0


async def test_outputs_that_are_too_large_together_end_the_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("balancer.flows.flow_run.OUTPUTS_MOST", 100)
    flow = """
    steps:
      - {name: each, for_each: [1, 2, 3], function: echo, with: {value: "{{ 'x' * 50 }}"}}
    """
    async with balancer_with(tmp_path, {"large": flow}) as balancer:
        await balancer.worker()
        task = await run(balancer, "large")
        assert task["error"]["type"] == "/problems/output-invalid"
        assert "return less, or save files" in task["error"]["detail"]


async def test_items_wait_for_room_among_the_durable_tasks(tmp_path: Path) -> None:
    flow = "steps: [{name: each, for_each: [1, 2, 3, 4, 5], function: echo}]"
    async with balancer_with(tmp_path, {"many": flow}, DURABLE_LIMIT=3) as balancer:
        await balancer.worker(SLOTS=1)
        nap = balancer.start("nap")
        await balancer.until_running(1)
        answer = await balancer.submit("many", mode="async")
        url = f"{balancer.url}/tasks/{answer.json['id']}/logs?follow=true"
        async with balancer.caller.get(url) as said:
            while b"waits for room" not in await said.content.readline():
                continue
        children = await balancer.get(f"/tasks?parent={answer.json['id']}")
        assert children["total"] == 3
        nap.cancel()
        task = await ended(balancer, answer.json["id"])
        assert (task["status"], len(task["result"]["each"])) == ("completed", 5)


async def test_steps_of_another_group_run_there_with_what_the_flow_was_given(
    tmp_path: Path,
) -> None:
    flow = "steps: [{name: one, function: echo, group: far, with: {value: 1}}]"
    async with balancer_with(tmp_path, {"far": flow}) as balancer:
        await balancer.worker("worker-1", GROUP="far")
        answer = await balancer.submit("far", mode="async", metadata={"a": 1}, priority=2)
        task = await ended(balancer, answer.json["id"])
        assert states(task) == {"one": "completed"}
        child = await shown(balancer, task["steps"][0]["task"])
        assert (child["group"], child["metadata"], child["priority"]) == ("far", {"a": 1}, 2)


async def test_two_files_of_one_flow_are_named_and_the_first_is_used(tmp_path: Path) -> None:
    async with balancer_with(tmp_path, {"one": ONE}) as balancer:
        folder = balancer.balancer.settings.functions_dir
        (folder / "one.yml").write_text(f"kind: flow\n{ONE}")
        (folder / "wrong name.yaml").write_text(f"kind: flow\n{ONE}")
        (folder / "wrong.yaml").write_text("kind: flow\nsteps: [{name: one}]")
        await until(lambda: len(balancer.balancer.flow_catalog.broken) == 3, 20)
        errors = {one.path: one.error for one in balancer.balancer.flow_catalog.broken}
        assert errors["one.yml"] == "one.yaml and one.yml define the same flow `one`"
        assert "cannot be in a function's name" in errors["wrong name.yaml"]
        assert "has no `function`" in errors["wrong.yaml"]
        await balancer.worker()
        assert (await run(balancer, "one"))["result"] == {"one": 1}
