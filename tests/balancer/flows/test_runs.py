"""What a flow does with its steps: order, conditions, fan-out, failures."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.balancer.flows.flow_folder import balancer_with, ended, follower, run, shown, states

CHAIN = """
input: {value: number}
steps:
  - {name: first, function: echo, with: {value: "{{ input.value }}"}}
  - {name: second, function: echo, with: {value: "{{ steps.first.output + 1 }}"}}
return: "{{ steps.second.output }}"
"""
DIAMOND = """
steps:
  - {name: top, function: echo, with: {value: [1, 2]}}
  - {name: left, needs: [top], function: echo, with: {value: "{{ steps.top.output[0] }}"}}
  - {name: right, needs: [top], function: echo, with: {value: "{{ steps.top.output[1] }}"}}
  - name: sum
    needs: [left, right]
    function: echo
    with: {value: "{{ steps.left.output + steps.right.output }}"}
"""
FAN_OUT = """
steps:
  - {name: listed, function: echo, with: {value: [3, 1, 2]}}
  - name: each
    for_each: "{{ steps.listed.output }}"
    function: echo
    with: {value: {item: "{{ item }}", index: "{{ index }}"}}
return: "{{ steps.each.output }}"
"""
CONDITION = """
input: {go: boolean}
steps:
  - {name: maybe, when: "{{ input.go }}", function: echo, with: {value: 1}}
  - {name: after, function: echo, with: {value: "{{ steps.maybe.output }}"}}
return: "{{ steps.after.output }}"
"""
BRANCHES = """
steps:
  - {name: bad, needs: [], function: fail}
  - {name: after_bad, needs: [bad], function: echo, with: {value: 1}}
  - {name: further, needs: [after_bad], function: echo, with: {value: 1}}
  - {name: tidy, needs: [after_bad], continue_on_error: true, function: echo, with: {value: 2}}
  - {name: other, needs: [], function: echo, with: {value: 3}}
  - {name: after_other, needs: [other], function: echo, with: {value: 4}}
"""
TOLERATED = """
steps:
  - {name: bad, continue_on_error: true, function: fail}
  - {name: after, function: echo, with: {value: "{{ steps.bad.status }}: {{ steps.bad.error }}"}}
return: "{{ steps.after.output }}"
"""


async def test_steps_run_one_after_the_other_each_as_a_task(tmp_path: Path) -> None:
    async with balancer_with(tmp_path, {"chain": CHAIN}) as balancer:
        await balancer.worker()
        task = await run(balancer, "chain", value=1)
        assert (task["status"], task["result"]) == ("completed", 2), task
        assert [step["name"] for step in task["steps"]] == ["first", "second"]
        for step in task["steps"]:
            assert step["worker"] == "worker-1"
            assert step["started_at"] <= step["ended_at"]
            child = await shown(balancer, step["task"])
            assert child["source"] == {"kind": "flow", "id": task["id"]}
            assert (child["parent"], child["step"]) == (task["id"], step["name"])
        assert task["steps"][0]["input"] == {"value": 1}
        assert task["steps"][1]["output"] == 2


@pytest.mark.parametrize("mode", ["sync", "stream"])
async def test_a_caller_may_wait_for_a_flow(tmp_path: Path, mode: str) -> None:
    async with balancer_with(tmp_path, {"diamond": DIAMOND}) as balancer:
        await balancer.worker()
        answer = await balancer.submit("diamond", mode=mode)
        assert answer.status == 200, answer.body
        if mode == "sync":
            assert answer.json["result"] == {"top": [1, 2], "left": 1, "right": 2, "sum": 3}
        else:
            said = answer.body.decode()
            assert said.count("event: done") == 1
            assert '"name":"sum","status":"completed"' in said


async def test_each_item_is_a_task_and_the_output_is_in_the_order_of_the_items(
    tmp_path: Path,
) -> None:
    async with balancer_with(tmp_path, {"fan_out": FAN_OUT}) as balancer:
        await balancer.worker(SLOTS=3)
        task = await run(balancer, "fan_out")
        assert task["result"] == [
            {"item": item, "index": index} for index, item in enumerate([3, 1, 2])
        ]
        names = [step["name"] for step in task["steps"]]
        assert names == ["listed", "each", "each[0]", "each[1]", "each[2]"]


@pytest.mark.parametrize(
    ("go", "status", "result"), [(True, "completed", 1), (False, "skipped", None)]
)
async def test_a_step_whose_condition_does_not_hold_is_skipped_and_the_next_runs(
    tmp_path: Path, go: bool, status: str, result: Any
) -> None:
    async with balancer_with(tmp_path, {"condition": CONDITION}) as balancer:
        await balancer.worker()
        task = await run(balancer, "condition", go=go)
        assert states(task) == {"maybe": status, "after": "completed"}
        assert (task["status"], task["result"]) == ("completed", result)


async def test_what_needs_a_failed_step_is_skipped_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with balancer_with(tmp_path, {"branches": BRANCHES}) as balancer:
        await balancer.worker()
        task = await run(balancer, "branches")
        assert states(task) == {
            "bad": "failed",
            "after_bad": "skipped",
            "further": "skipped",
            "tidy": "completed",
            "other": "completed",
            "after_other": "completed",
        }
        assert task["status"] == "failed"
        assert task["error"]["step"] == "bad"
        assert task["error"]["detail"].startswith("step bad: ")


async def test_a_tolerated_failure_is_seen_by_the_next_step(tmp_path: Path) -> None:
    async with balancer_with(tmp_path, {"tolerated": TOLERATED}) as balancer:
        await balancer.worker()
        task = await run(balancer, "tolerated")
        assert task["error"] is None, balancer.events_logged("task.defect")[0]["exception"]
        assert task["result"].startswith("failed: ")


async def test_a_step_is_retried_on_the_same_task(tmp_path: Path) -> None:
    flow = """
    steps:
      - {name: often, function: fail, retry: {attempts: 3, delay_s: 0.05, backoff: fixed}}
    """
    async with balancer_with(tmp_path, {"again": flow}) as balancer:
        await balancer.worker()
        task = await run(balancer, "again")
        child = await shown(balancer, task["steps"][0]["task"])
        assert (child["status"], len(child["attempts"])) == ("failed", 3)


async def test_the_items_of_a_sequential_step_wait_for_each_other(tmp_path: Path) -> None:
    flow = """
    steps:
      - name: each
        for_each: [1, 2, 3]
        sequential: true
        function: echo
        with: {value: "{{ item }}"}
    """
    async with balancer_with(tmp_path, {"one_by_one": flow}) as balancer:
        await balancer.worker(SLOTS=3)
        task = await run(balancer, "one_by_one")
        assert task["result"] == {"each": [1, 2, 3]}
        times = [(step["started_at"], step["ended_at"]) for step in task["steps"][1:]]
        assert times == sorted(times)
        assert all(end <= start for (_, end), (start, _) in pairwise(times))


async def test_an_empty_list_of_items_is_no_task_and_an_empty_output(tmp_path: Path) -> None:
    flow = """
    steps:
      - {name: each, for_each: "{{ [] }}", function: echo, with: {value: "{{ item }}"}}
      - {name: after, function: echo, with: {value: "{{ steps.each.output }}"}}
    return: "{{ steps.after.output }}"
    """
    async with balancer_with(tmp_path, {"none": flow}) as balancer:
        await balancer.worker()
        task = await run(balancer, "none")
        assert (task["status"], task["result"]) == ("completed", []), task


async def test_what_follows_a_flow_is_a_task_outside_of_it(tmp_path: Path) -> None:
    flow = """
    input: {works: boolean}
    steps:
      - {name: works, when: "{{ input.works }}", function: echo, with: {value: 1}}
      - {name: fails, when: "{{ not input.works }}", function: fail}
    on_success: {function: echo, input: {value: {good: "{{ result }}"}}}
    on_error: {function: echo, input: {value: {bad: "{{ error.step }}"}}}
    """
    async with balancer_with(tmp_path, {"told": flow}) as balancer:
        await balancer.worker()
        for works, expected in (
            (True, {"good": {"works": 1, "fails": None}}),
            (False, {"bad": "fails"}),
        ):
            task = await run(balancer, "told", works=works)
            after = await follower(balancer, task["id"])
            assert (await ended(balancer, after["id"]))["result"] == expected


async def test_the_cancel_of_a_flow_reaches_every_task(tmp_path: Path) -> None:
    flow = """
    steps:
      - {name: each, for_each: [1, 2, 3, 4, 5], function: nap}
      - {name: after, function: echo, with: {value: 1}}
    on_cancel: {function: echo, input: {value: "{{ status }}"}}
    """
    async with balancer_with(tmp_path, {"long": flow}) as balancer:
        await balancer.worker(SLOTS=2)
        answer = await balancer.submit("long", mode="async")
        await balancer.until_running(2)
        cancelled = await balancer.request("POST", f"/tasks/{answer.json['id']}/cancel")
        assert cancelled.json["status"] == "cancelled"
        task = await ended(balancer, answer.json["id"])
        assert states(task) == {"each": "cancelled", "after": "skipped"}
        children = (await balancer.get(f"/tasks?parent={task['id']}"))["tasks"]
        assert len(children) == 5
        for child in children:
            assert (await ended(balancer, child["id"]))["status"] == "cancelled"
        await balancer.idle()
