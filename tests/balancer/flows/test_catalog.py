"""The flows of a balancer's folder: found, checked, reloaded, and apart from workers' functions."""

from pathlib import Path
from typing import Any

from tests.balancer.flows.flow_folder import balancer_with, run
from tests.harness.in_process.balancer import RunningBalancer
from tests.harness.waiting import until

ONE = "kind: flow\nsteps: [{name: one, function: echo, with: {value: %s}}]\n"


async def broken(balancer: RunningBalancer) -> dict[str, Any]:
    """The broken files of `/health` by path."""
    return {one["path"]: one for one in (await balancer.get("/health"))["broken"]}


def folder(balancer: RunningBalancer) -> Path:
    path: Path = balancer.balancer.settings.functions_dir
    return path


async def test_flows_are_listed_with_their_input(tmp_path: Path) -> None:
    flow = """
    description: Adds one.
    group: sums
    input: {value: {type: number, description: What to add to}}
    steps: [{name: one, function: echo, with: {value: "{{ input.value + 1 }}"}}]
    """
    async with balancer_with(tmp_path, {"math/add": flow}) as balancer:
        unknown = await balancer.request("GET", "/functions/math/add")
        assert 'in "sums": name the group' in unknown.json["detail"]
        spec = await balancer.get("/functions/math/add?group=sums")
        assert (spec["kind"], spec["group"], spec["description"]) == ("flow", "sums", "Adds one.")
        assert spec["input"]["properties"]["value"]["type"] == "number"
        answer = await balancer.submit("math/add", group="sums", input={"value": "x"})
        assert answer.json["type"] == "/problems/invalid-input"


async def test_a_changed_flow_is_taken_up_and_a_broken_change_keeps_the_last_good_one(
    tmp_path: Path,
) -> None:
    async with balancer_with(tmp_path, {}) as balancer:
        await balancer.worker()
        folder(balancer).mkdir(parents=True, exist_ok=True)
        file = folder(balancer) / "one.yaml"
        file.write_text(ONE % 1)
        catalog = balancer.balancer.flow_catalog
        await until(lambda: catalog.find("default", "one") is not None, 20)
        first = catalog.find("default", "one")
        assert (await run(balancer, "one"))["result"] == {"one": 1}
        file.write_text(ONE % 2)
        await until(lambda: catalog.find("default", "one") is not first, 20)
        assert (await run(balancer, "one"))["result"] == {"one": 2}
        file.write_text("kind: flow\nsteps: [{name: one, needs: [two], function: echo}]\n")
        await until(lambda: bool(catalog.broken), 20)
        (fault,) = (await broken(balancer)).values()
        assert fault["error"] == (
            'line 2: /steps/0/needs/0: there is no step "two" beside this one'
        )
        assert fault["kept_revision"] is not None
        assert (await run(balancer, "one"))["result"] == {"one": 2}
        file.unlink()
        await until(lambda: catalog.find("default", "one") is None, 20)
        gone = await balancer.submit("one", mode="async")
        assert gone.json["type"] == "/problems/unknown-function"


async def test_a_flow_keeps_the_text_with_which_it_began(tmp_path: Path) -> None:
    flow = """
    steps:
      - {name: sleeps, function: nap, with: {seconds: 1}}
      - {name: after, function: echo, with: {value: old}}
    """
    async with balancer_with(tmp_path, {"slow": flow}) as balancer:
        await balancer.worker()
        catalog = balancer.balancer.flow_catalog
        before = catalog.find("default", "slow")
        caller = balancer.start("slow")
        await balancer.until_running(1)
        (folder(balancer) / "slow.yaml").write_text(ONE % "new")
        await until(lambda: catalog.find("default", "slow") is not before, 20)
        assert (await caller).json["result"] == {"sleeps": "rested", "after": "old"}


async def test_a_flow_with_the_name_of_a_workers_function_is_broken_for_as_long(
    tmp_path: Path,
) -> None:
    async with balancer_with(tmp_path, {"echo": "steps: [{name: one, function: nap}]"}) as balancer:
        assert (await balancer.get("/functions/echo"))["kind"] == "flow"
        worker = await balancer.worker()
        assert (await balancer.get("/functions/echo"))["kind"] == "python"
        error = (await broken(balancer))["echo.yaml"]["error"]
        assert "echo.yaml" in error
        assert "worker-1" in error
        assert (await balancer.call("echo", value=3)) == 3
        (worker.folder / "functions" / "echo.py").unlink()
        await until(lambda: balancer.balancer.flow_catalog.broken == (), 20)
        assert (await balancer.get("/functions/echo"))["kind"] == "flow"


async def test_flows_that_start_each_other_are_broken_and_others_are_not(tmp_path: Path) -> None:
    flows = {
        "a": "steps: [{name: one, function: b}]",
        "b": "steps: [{name: one, function: echo}]\non_error: {function: a}",
        "own": "steps: [{name: one, function: own}]",
        "fine": "steps: [{name: one, function: a}]",
    }
    async with balancer_with(tmp_path, flows) as balancer:
        found = await broken(balancer)
        assert {path: one["error"] for path, one in found.items()} == {
            "a.yaml": "the flow starts itself without an end: a -> b -> a",
            "b.yaml": "the flow starts itself without an end: a -> b -> a",
            "own.yaml": "the flow starts itself without an end: own -> own",
        }
        answer = await balancer.submit("a", mode="async")
        assert "starts itself without an end" in answer.json["detail"]


async def test_recipes_and_helpers_in_the_folder_are_no_flows_and_no_faults(tmp_path: Path) -> None:
    async with balancer_with(tmp_path, {"_draft": "steps: nothing"}) as balancer:
        (folder(balancer) / "recipe.yaml").write_text("steps: [{action: goto}]")
        (folder(balancer) / "wrong.yaml").write_text("steps: [")
        (folder(balancer) / "flow.yaml").write_text("kind: flow\nsteps: [")
        catalog = balancer.balancer.flow_catalog
        await until(lambda: bool(catalog.broken), 20)
        assert list(await broken(balancer)) == ["flow.yaml"]


async def test_a_caller_may_name_a_contract_that_workers_of_the_group_have(tmp_path: Path) -> None:
    async with balancer_with(
        tmp_path, {"one": "steps: [{name: one, function: echo, with: {value: 1}}]"}
    ) as balancer:
        await balancer.worker("worker-1", CONTRACT=1)
        await balancer.worker("worker-2", CONTRACT=2)
        for contract, worker in ((1, "worker-1"), (2, "worker-2"), (None, "worker-2")):
            fields = {} if contract is None else {"contract": contract}
            answer = await balancer.submit("one", **fields)
            assert answer.status == 200, answer.body
            task = (await balancer.get(f"/tasks/{answer.json['id']}"))["task"]
            assert task["steps"][0]["worker"] == worker
        answer = await balancer.submit("one", contract=3)
        assert answer.status >= 400
