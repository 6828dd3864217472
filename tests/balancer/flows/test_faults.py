"""Flows that are wrong, too large, too deep, or left by those who asked for them."""

import asyncio
from pathlib import Path

import pytest

from tests.balancer.flows.flow_folder import balancer_with, ended, run, shown, states
from tests.harness.waiting import until

SLEEPS = """
steps:
  - {name: sleeps, function: nap}
  - {name: after, function: echo, with: {value: 1}}
"""
COUNTED = """
input: {count: integer}
steps:
  - name: each
    for_each: "{{ range(input.count) }}"
    function: echo
    with: {value: "{{ item }}"}
"""


async def test_a_step_of_an_unknown_function_fails_with_the_nearest_name(tmp_path: Path) -> None:
    flow = "steps: [{name: one, function: ehco, with: {value: 1}}]"
    async with balancer_with(tmp_path, {"wrong": flow}) as balancer:
        await balancer.worker()
        task = await run(balancer, "wrong")
        assert task["status"] == "failed"
        assert "there is no function 'ehco'; did you mean 'echo'?" in task["error"]["detail"]
        assert task["steps"][0]["task"] is None


async def test_a_step_with_an_input_that_its_function_refuses_fails_and_says_why(
    tmp_path: Path,
) -> None:
    flow = "steps: [{name: one, function: nap, with: {seconds: long}}]"
    async with balancer_with(tmp_path, {"wrong": flow}) as balancer:
        await balancer.worker()
        task = await run(balancer, "wrong")
        assert task["error"]["detail"].startswith("step one: nap: /input/seconds: "), task["error"]


async def test_instances_with_a_wrong_input_fail_and_the_others_run(tmp_path: Path) -> None:
    flow = """
    steps:
      - name: each
        for_each: [0, long, 0, {}]
        continue_on_error: true
        function: nap
        with: {seconds: "{{ item }}"}
    """
    async with balancer_with(tmp_path, {"some": flow}) as balancer:
        await balancer.worker()
        task = await run(balancer, "some")
        assert task["status"] == "completed", task
        assert task["result"]["each"] == ["rested", None, "rested", None]
        assert [step["status"] for step in task["steps"]] == [
            "failed", "completed", "failed", "completed", "failed",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "fault"),
    [
        ("{{ 7 }}", "for_each: expected a list, got int: '7'"),
        ("{{ 'abc' }}", "for_each: expected a list, got str"),
        ("{{ ['a'] * 10001 }}", "for_each: got 10,001 items; 10,000 are possible"),
    ],
)
async def test_items_that_are_no_list_or_too_many_fail_their_step(
    tmp_path: Path, count: str, fault: str
) -> None:
    flow = f"""
    steps:
      - {{name: each, for_each: "{count}", function: echo, with: {{value: 1}}}}
    """
    async with balancer_with(tmp_path, {"wrong": flow}) as balancer:
        await balancer.worker()
        task = await run(balancer, "wrong")
        assert fault in task["error"]["detail"]
        assert (await balancer.get(f"/tasks?parent={task['id']}"))["total"] == 0


async def test_flows_within_each_other_have_a_most(tmp_path: Path) -> None:
    flows = {
        f"f{number}": f"steps: [{{name: in, function: f{number + 1}}}]" for number in range(1, 6)
    }
    flows["f5"] = "steps: [{name: in, function: echo, with: {value: deep}}]"
    flows["f0"] = "steps: [{name: in, function: f1}]"
    async with balancer_with(tmp_path, flows) as balancer:
        await balancer.worker()
        task = await run(balancer, "f1")
        assert task["result"] == {"in": {"in": {"in": {"in": {"in": "deep"}}}}}, task["error"]
        task = await run(balancer, "f0")
        assert task["status"] == "failed"
        assert "flow 6 within each other; 5 are possible" in task["error"]["detail"]


async def test_a_caller_who_hangs_up_cancels_the_flow_and_its_tasks(tmp_path: Path) -> None:
    async with balancer_with(tmp_path, {"sleeps": SLEEPS}) as balancer:
        await balancer.worker()
        caller = balancer.start("sleeps")
        await balancer.until_running(1)
        (flow,) = (await balancer.get("/tasks?function=sleeps"))["tasks"]
        caller.cancel()
        task = await ended(balancer, flow["id"])
        assert task["status"] == "cancelled"
        assert task["error"]["reason"] == "the caller disconnected"
        assert states(task) == {"sleeps": "cancelled", "after": "skipped"}
        (child,) = (await balancer.get(f"/tasks?parent={flow['id']}"))["tasks"]
        child = await ended(balancer, child["id"])
        assert child["error"]["reason"] == "its flow was cancelled"
        await balancer.idle()


async def test_a_flow_ends_at_its_time_limit_with_its_tasks(tmp_path: Path) -> None:
    async with balancer_with(tmp_path, {"sleeps": f"timeout_s: 0.5\n{SLEEPS}"}) as balancer:
        await balancer.worker()
        task = await run(balancer, "sleeps")
        assert task["error"]["type"] == "/problems/deadline-exceeded"
        (child,) = (await balancer.get(f"/tasks?parent={task['id']}"))["tasks"]
        assert (await ended(balancer, child["id"]))["error"]["reason"] == "its flow has failed"
        await balancer.idle()


async def test_the_cancel_of_one_task_fails_its_flow(tmp_path: Path) -> None:
    async with balancer_with(tmp_path, {"sleeps": SLEEPS}) as balancer:
        await balancer.worker()
        answer = await balancer.submit("sleeps", mode="async")
        await balancer.until_running(1)
        (child,) = (await balancer.get(f"/tasks?parent={answer.json['id']}"))["tasks"]
        await balancer.request("POST", f"/tasks/{child['id']}/cancel")
        task = await ended(balancer, answer.json["id"])
        assert states(task) == {"sleeps": "cancelled", "after": "skipped"}
        assert (task["status"], task["error"]["step"]) == ("failed", "sleeps")


async def test_a_flow_waits_for_a_worker_and_says_so(tmp_path: Path) -> None:
    flow = "steps: [{name: one, function: echo, with: {value: 1}}]"
    async with balancer_with(tmp_path, {"early": flow}) as balancer:
        answer = await balancer.submit("early", mode="async")
        assert answer.status == 202
        lines = balancer.caller.get(f"{balancer.url}/tasks/{answer.json['id']}/logs?follow=true")
        async with asyncio.timeout(20), lines as said:
            while b"waits for a worker" not in await said.content.readline():
                continue
        await balancer.worker()
        assert (await ended(balancer, answer.json["id"]))["result"] == {"one": 1}


async def test_a_step_that_returns_fifty_megabytes_is_read_by_the_next(tmp_path: Path) -> None:
    flow = """
    steps:
      - {name: big, function: big}
      - {name: size, function: echo, with: {value: "{{ steps.big.output|length }}"}}
    return: "{{ steps.size.output }}"
    """
    code = '''
from slotgrid.function import Context, function

@function(timeout_s=60)
async def big(context: Context, size: int = 50_000_000) -> str:
    """Returns a long text."""
    return "x" * size
'''
    async with balancer_with(tmp_path, {"large": flow}) as balancer:
        functions = balancer.folder / "worker-1" / "functions"
        await balancer.worker()
        (functions / "big.py").write_text(code)
        await until(lambda: balancer.balancer.catalog.find("big") is not None, 20)
        task = await run(balancer, "large")
        assert task["result"] == 50_000_000, task["error"]
        assert task["steps"][0]["output"]["size"] == 50_000_002
        child = await shown(balancer, task["steps"][0]["task"])
        assert len(child["result"]) == 50_000_000


async def test_a_flow_in_maintenance_goes_on(tmp_path: Path) -> None:
    flow = """
    steps:
      - {name: sleeps, function: nap, with: {seconds: 0.5}}
      - {name: after, function: echo, with: {value: 1}}
    """
    async with balancer_with(tmp_path, {"slow": flow}) as balancer:
        await balancer.worker()
        answer = await balancer.submit("slow", mode="async")
        await balancer.until_running(1)
        await balancer.request("POST", "/off")
        assert (await ended(balancer, answer.json["id"]))["status"] == "completed"
        await balancer.request("POST", "/on")
