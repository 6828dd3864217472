"""Flows that schedules start."""

from pathlib import Path

from tests.balancer.flows.flow_folder import balancer_with, ended, states
from tests.balancer.schedules.test_api import make
from tests.balancer.schedules.test_firing import make_due, runs_of

FLOW = """
input: {seconds: number}
steps:
  - {name: sleeps, function: nap, with: {seconds: "{{ input.seconds }}"}}
  - {name: after, function: echo, with: {value: 1}}
"""


async def test_a_schedule_starts_a_flow(tmp_path: Path) -> None:
    async with balancer_with(tmp_path, {"slow": FLOW}) as balancer:
        await balancer.worker()
        await make(balancer, function="slow", input={"seconds": 0})
        await make_due(balancer)
        (run,) = await runs_of(balancer, 1)
        assert run["outcome"] == "started", run
        task = await ended(balancer, run["task_id"])
        assert states(task) == {"sleeps": "completed", "after": "completed"}
        assert task["source"] == {"kind": "schedule", "id": "nightly"}


async def test_the_next_firing_may_cancel_a_flow_with_its_tasks(tmp_path: Path) -> None:
    async with balancer_with(tmp_path, {"slow": FLOW}) as balancer:
        await balancer.worker()
        await make(balancer, function="slow", input={"seconds": 60}, overlap="cancel_previous")
        await make_due(balancer)
        (first,) = await runs_of(balancer, 1)
        await balancer.until_running(1)
        await make_due(balancer, by_s=0)  # in a later second than the first
        second, _ = await runs_of(balancer, 2)
        assert (await ended(balancer, first["task_id"]))["status"] == "cancelled"
        (child,) = (await balancer.get(f"/tasks?parent={first['task_id']}"))["tasks"]
        assert (await ended(balancer, child["id"]))["status"] == "cancelled"
        await balancer.request("POST", f"/tasks/{second['task_id']}/cancel")
        assert (await ended(balancer, second["task_id"]))["status"] == "cancelled"
        await balancer.idle()
