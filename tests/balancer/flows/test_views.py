"""What callers see of flows: lists, logs, events, and what a retry takes over."""

import asyncio
from pathlib import Path

import orjson

from tests.balancer.flows.flow_folder import balancer_with, ended, run, shown, states

TALKS = '''
import asyncio
from slotgrid.function import Context, function

@function(timeout_s=60)
async def talks(context: Context, number: int = 0) -> int:
    """Writes lines."""
    for line in range(3):
        await context.log(f"line {line} of {number}")
        await asyncio.sleep(0.05)
    return number
'''
TOLD = """
steps:
  - {name: first, function: talks, with: {number: 7}}
  - {name: each, for_each: [1, 2], function: talks, with: {number: "{{ item }}"}}
"""
FLAKY = '''
from pathlib import Path
from slotgrid.function import Context, function

@function(timeout_s=60)
async def flaky(context: Context, folder: str, name: str) -> str:
    """Counts its runs, and works once there is a file `fixed`."""
    runs = Path(folder) / name
    runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
    if name.startswith("bad") and not (Path(folder) / "fixed").exists():
        raise RuntimeError("not yet")
    return name
'''


async def test_tasks_of_steps_are_listed_by_their_flow_alone(tmp_path: Path) -> None:
    flow = "steps: [{name: one, function: echo, with: {value: 1}}]"
    async with balancer_with(tmp_path, {"one": flow}) as balancer:
        await balancer.worker()
        task = await run(balancer, "one")
        listed = await balancer.get("/tasks")
        assert [row["id"] for row in listed["tasks"]] == [task["id"]]
        children = await balancer.get(f"/tasks?parent={task['id']}")
        assert [row["step"] for row in children["tasks"]] == ["one"]
        assert children["total"] == 1


async def test_the_log_of_a_flow_is_that_of_its_tasks_in_time(tmp_path: Path) -> None:
    async with balancer_with(tmp_path, {"told": TOLD}) as balancer:
        (balancer.folder / "worker-1" / "functions").mkdir(parents=True)
        (balancer.folder / "worker-1" / "functions" / "talks.py").write_text(TALKS)
        await balancer.worker(SLOTS=2)
        answer = await balancer.submit("told", mode="async")
        url = f"/tasks/{answer.json['id']}"
        followed = await balancer.request("GET", f"{url}/logs?follow=true")
        task = await ended(balancer, answer.json["id"])
        assert task["status"] == "completed", task
        read = await balancer.request("GET", f"{url}/logs")
        lines = [orjson.loads(line) for line in read.body.splitlines()]
        again = [orjson.loads(line) for line in followed.body.splitlines()]

        def as_key(line: dict[str, str]) -> tuple[str, str]:
            return line["step"], line["line"]  # the record of an attempt is made a moment later

        assert sorted(map(as_key, again)) == sorted(map(as_key, lines))
        assert [line["ts"] for line in lines] == sorted(line["ts"] for line in lines)
        for step, number in (("first", 7), ("each[0]", 1), ("each[1]", 2)):
            said = [line["line"] for line in lines if line["step"] == step]
            assert [line for line in said if line.startswith("line ")] == [
                f"line {line} of {number}" for line in range(3)
            ]
        one = await balancer.request("GET", f"{url}/steps/each[1]/logs")
        assert b"of 2" in one.body
        assert b"of 1" not in one.body
        both = await balancer.request("GET", f"{url}/steps/each/logs")
        assert b"of 2" in both.body
        assert b"of 1" in both.body
        unknown = await balancer.request("GET", f"{url}/steps/other/logs")
        assert unknown.json["detail"] == (
            "the task has no step 'other'; it has _node, first, each, each[0], each[1]"
        )


async def test_a_retry_goes_on_from_the_failed_step(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    given = f"folder: {folder}"
    flow = f"""
    steps:
      - {{name: good, function: flaky, with: {{{given}, name: good}}}}
      - name: each
        for_each: [a, bad_b, c]
        function: flaky
        with: {{{given}, name: "{{{{ item }}}}"}}
      - {{name: last, function: flaky, with: {{{given}, name: last}}}}
    """
    async with balancer_with(tmp_path, {"long": flow}) as balancer:
        (balancer.folder / "worker-1" / "functions").mkdir(parents=True)
        (balancer.folder / "worker-1" / "functions" / "flaky.py").write_text(FLAKY)
        await balancer.worker(SLOTS=2)
        task = await run(balancer, "long")
        assert task["status"] == "failed"
        assert states(task) == {"good": "completed", "each": "failed", "last": "skipped"}
        (folder / "fixed").touch()
        answer = await balancer.request("POST", f"/tasks/{task['id']}/retry")
        again = await ended(balancer, answer.json["id"])
        assert again["source"] == {"kind": "retry", "id": task["id"]}
        assert again["result"] == {"good": "good", "each": ["a", "bad_b", "c"], "last": "last"}
        runs = {file.name: len(file.read_text()) for file in folder.iterdir()}
        assert runs == {"fixed": 0, "good": 1, "a": 1, "bad_b": 2, "c": 1, "last": 1}
        before = {step["name"]: step["task"] for step in task["steps"]}
        now = {step["name"]: step["task"] for step in again["steps"]}
        assert now["good"] == before["good"]
        assert now["each[1]"] != before["each[1]"]
        answer = await balancer.request("POST", f"/tasks/{again['id']}/retry")
        anew = await ended(balancer, answer.json["id"])
        assert anew["status"] == "completed"
        assert (folder / "good").read_text() == "xx", "a completed flow runs from its beginning"


async def test_the_events_of_a_flow_are_the_states_of_its_steps(tmp_path: Path) -> None:
    flow = """
    steps:
      - {name: one, function: echo, with: {value: 1}, status: "begins"}
      - {name: two, when: "{{ false }}", function: echo, with: {value: 1}}
    """
    async with balancer_with(tmp_path, {"told": flow}) as balancer:
        await balancer.worker()
        said = [
            (kind, payload["text"] if kind != "done" else None)
            for kind, payload in await balancer.stream("told")
            if kind != "state"
        ]
        assert said == [
            ("step", "one ready"),
            ("status", "begins"),
            ("step", "one running"),
            ("step", "one completed"),
            ("step", "two ready"),
            ("step", "two skipped"),
            ("done", None),
        ]


async def test_the_same_key_gives_the_same_flow(tmp_path: Path) -> None:
    flow = "steps: [{name: one, function: nap, with: {seconds: 0.5}}]"
    async with balancer_with(tmp_path, {"one": flow}) as balancer:
        await balancer.worker()
        body = {"function": "one"}
        key = {"Idempotency-Key": "k"}
        callers = [
            balancer.request("POST", "/task", json=body, headers=key),
            balancer.request("POST", "/task", json=body, headers=key),
        ]
        first, second = await asyncio.gather(*callers)
        assert first.json["id"] == second.json["id"], (first.body, second.body)
        balancer.balancer.history.remove(first.json["id"])
        third = await balancer.request("POST", "/task", json=body, headers=key)
        assert third.json["result"] == first.json["result"]
        assert (await balancer.get("/tasks"))["total"] == 1
        assert (await shown(balancer, first.json["id"]))["status"] == "completed"
