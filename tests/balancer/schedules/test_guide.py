"""The guide to schedules: every example runs, and its tables say what the code says."""

import asyncio
import json
import re
import shlex
from datetime import datetime
from typing import Any

import orjson
from click.testing import CliRunner, Result

from balancer.api.schedule_schemas import COMPONENTS
from balancer.schedules.cron import Cron, zone_named
from balancer.schedules.schedule import READERS
from balancer.schedules.schedules_file import parse_schedules
from slotgrid.cli.main import cli
from tests.docs.pages import DOCS, blocks, table_after
from tests.harness.environment import KEY
from tests.harness.in_process.balancer import RunningBalancer

GUIDE = DOCS / "schedules.md"


def examples(language: str, containing: str) -> str:
    (found,) = [b.text for b in blocks(GUIDE) if b.language == language and containing in b.text]
    return found


async def run(balancer: RunningBalancer, words: list[str]) -> Result:
    env = {"SLOTGRID_URL": balancer.url, "AUTH_KEY": KEY, "COLUMNS": "200"}
    return await asyncio.to_thread(CliRunner().invoke, cli, words, env=env)


def test_the_table_has_every_member() -> None:
    cells = [row.split("|")[1] for row in table_after(GUIDE, "## Members")[2:]]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == {*READERS, "owner"}


def test_the_file_is_valid() -> None:
    nightly, watch = parse_schedules(examples("yaml", "nightly-report").encode())
    assert nightly.cron.zone.key == "Europe/Berlin"
    assert watch.submission.webhook is not None


def test_the_table_of_changing_clocks_is_true() -> None:
    berlin = zone_named("Europe/Berlin")
    for row in table_after(GUIDE, "## Times")[2:]:
        cron, to_summer, to_winter = (cell.strip() for cell in row.split("|")[1:4])
        for cell, day, since in (
            (to_summer, "2026-03-29", "01:29"),
            (to_winter, "2026-10-25", "01:29"),
        ):
            told = re.findall(r"\d\d:\d\d", cell)
            after = datetime.fromisoformat(f"{day}T{since}").replace(tzinfo=berlin).timestamp()
            times = Cron.parse(cron.strip("`"), berlin).next_runs(after, len(told))
            assert [datetime.fromtimestamp(at, berlin).strftime("%H:%M") for at in times] == told


async def test_the_calls_of_the_api_run(balancer: RunningBalancer) -> None:
    await balancer.worker()
    text = examples("sh", "curl")
    variables = {"$BALANCER_URL": balancer.url, "$AUTH_KEY": KEY}
    for name, value in variables.items():
        text = text.replace(name, value)
    words = shlex.split(text)
    calls = [list[str]()]
    for word in words:
        if word == "curl":
            calls.append([])
        calls[-1].append(word)
    answers: list[Any] = []
    for call in calls[1:]:
        process = await asyncio.create_subprocess_exec(
            *call, "-sS", "--fail", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, (call, output)
        answers.append(orjson.loads(output))
    run_shown = answers[-1]["schedule"]["last_runs"][0]
    assert list(run_shown) == list(json.loads(examples("json", "due_at")))
    assert run_shown["task_id"] == answers[1]["id"]


async def test_the_commands_run(balancer: RunningBalancer) -> None:
    await balancer.worker()
    for line in examples("sh", "slotgrid schedules").splitlines():
        if " run " not in line:
            await idle(balancer)
        ran = await run(balancer, shlex.split(line)[1:])
        assert ran.exit_code == 0, (line, ran.output)
    assert (await balancer.get("/schedules"))["total"] == 0


async def idle(balancer: RunningBalancer) -> None:
    for task in (await balancer.get("/tasks"))["tasks"]:
        await balancer.get(f"/tasks/{task['id']}", wait_s="20")


async def test_commands_show_what_there_is(balancer: RunningBalancer, tmp_path: Any) -> None:
    await balancer.worker()
    none = await run(balancer, ["schedules"])
    assert "There are no schedules" in none.stdout
    file = tmp_path / "one.yaml"
    file.write_text("cron: 0 3 * * *\nfunction: echo\ninput: {value: 1}\nmissed: run_once\n")
    made = await run(balancer, ["schedules", "add", "a", "--from", str(file), "--off", "--json"])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["missed"] == "run_once"
    assert json.loads(made.stdout)["enabled"] is False
    started = await run(balancer, ["schedules", "run", "a"])
    task_id = json.loads(started.stdout)["id"]
    shown = await run(balancer, ["schedules", "show", "a"])
    assert task_id in shown.stdout
    assert "root started it" in shown.stdout
    (line,) = [
        line
        for line in (await run(balancer, ["schedules"])).stdout.splitlines()
        if line.startswith("a ")
    ]
    assert line.split() == ["a", "off", "0", "3", "*", "*", "*", "UTC", "echo", "started"]
    wrong = await run(balancer, ["schedules", "add", "b", "--cron", "0 0 31 2 *"])
    assert wrong.exit_code == 2
    assert "never fires" in wrong.stderr
    assert "function: is required" in wrong.stderr
    file.write_text("- 7")
    assert (
        "members of one schedule"
        in (await run(balancer, ["schedules", "add", "b", "--from", str(file)])).stderr
    )


def test_the_schema_has_the_fields_that_are_read() -> None:
    assert set(COMPONENTS["NewSchedule"]["properties"]) == set(READERS)
