"""The built-in function `commands`: a list of actions in one browser context."""

from typing import Any

import pytest

from tests.worker.actions.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def command(action: str, /, **given: Any) -> dict[str, Any]:
    return {"action": action, "with": given}


async def test_commands_run_in_order_and_give_their_outputs_and_timings(
    world: World,
) -> None:
    worker, site = world.worker, world.site
    result = await worker.call(
        "commands",
        name="a look",
        commands=[
            {**command("goto", url=site.at("/")), "intention": "open the site"},
            command("sleep", seconds=0.01),
        ],
    )
    opened, slept = result["commands"]
    assert opened["action"] == "goto"
    assert opened["intention"] == "open the site"
    assert opened["output"]["status"] == 200
    assert slept["output"] is None
    assert slept["run_ms"] >= 10


async def test_the_first_that_fails_stops_the_rest_which_are_skipped(
    world: World,
) -> None:
    worker = world.worker
    problem = await worker.problem(
        "commands",
        commands=[
            command("log", line="first"),
            command("fail", message="no offer"),
            command("sleep", seconds=600),
        ],
    )
    assert problem["detail"] == "commands failed: command 1 (fail): no offer"
    task = await worker.task(problem["task_id"])
    assert [(one["name"], one["action"], one["status"]) for one in task["steps"]] == [
        ("cmd_0", "log", "completed"),
        ("cmd_1", "fail", "failed"),
        ("cmd_2", "sleep", "skipped"),
    ]
    log = await worker.log_of(problem["task_id"])
    assert "first" in log
    assert "command 1 (fail): no offer" in log
    assert "Traceback" not in log


async def test_a_command_has_a_time_limit_of_its_own(world: World) -> None:
    worker = world.worker
    problem = await worker.problem(
        "commands", commands=[{**command("sleep", seconds=600), "timeout_s": 0.05}]
    )
    assert problem["detail"] == "commands failed: command 0 (sleep): sleep: not within 0.05 s"


@pytest.mark.parametrize(
    ("commands", "pointer", "word"),
    [
        ([], "/input/commands", "must not be empty"),
        ([command("sleep", seconds=0)] * 1001, "/input/commands", "maximum 1000"),
        ([command("jump")], "/input/commands/0/action", "jump"),
        ([{"action": "goto"}], "/input/commands/0", "required"),
        ([command("goto", url="ftp://x")], "/input/commands/0/with/url", "http"),
        ([command("goto", uri="http://x/")], "/input/commands/0/with", "uri"),
        ([command("return", value=1)], "/input/commands/0/action", "return"),
    ],
)
async def test_bad_commands_are_refused_before_anything_runs(
    world: World, commands: list[Any], pointer: str, word: str
) -> None:
    worker = world.worker
    problem = await worker.problem("commands", 400, commands=commands)
    assert problem["type"] == "/problems/invalid-input"
    faults = {one["pointer"]: one["message"] for one in problem["errors"]}
    assert pointer in faults, faults
    assert word in faults[pointer], faults
