"""A workspace of Strøm, imported by the command line, runs on a balancer with a worker."""

import asyncio
from pathlib import Path

import aiohttp
from click.testing import CliRunner

from slotgrid.cli.main import cli
from tests.balancer.flows.flow_folder import ended, run, states
from tests.balancer.schedules.test_firing import make_due, runs_of
from tests.harness.in_process.balancer import running_balancer
from tests.harness.waiting import until

WORKSPACE = """
actions:
  echo: {type: script, script: cat}
tasks:
  gather:
    input:
      names: {type: string, multiple: true, default: [ann, bob]}
    flow:
      Each:
        action: echo
        for_each: "{{ input.names }}"
        input: {value: "{{ each.index }} {{ each.item | upper }}"}
      all-of-them:
        action: echo
        depends_on: [Each]
        when: "{{ Each.output | length > 1 }}"
        input: {value: "{{ Each.output | join(sep=', ') }}"}
      never:
        action: echo
        depends_on: [Each]
        when: "{{ input.names | length == 0 }}"
  on-request:
    flow:
      body: {action: echo, input: {value: "{{ input.body.ref }} by {{ input.who }}"}}
triggers:
  yearly: {type: scheduler, cron: "0 0 0 29 2 *", task: gather, input: {names: [eve, joe]}}
  pushed: {type: webhook, name: pushed, task: on-request, secret: x, input: {who: push}}
"""
SECRET = "a-long-secret-of-a-sender"


async def test_what_was_imported_runs(tmp_path: Path) -> None:
    source, folder = tmp_path / "workspace" / ".workflows", tmp_path / "functions"
    source.mkdir(parents=True)
    (source / "one.yaml").write_text(WORKSPACE)
    words = ["import", "stroem", str(source.parent), "--to", str(folder)]
    ran = await asyncio.to_thread(CliRunner().invoke, cli, words)
    assert "4 files written" in ran.output, ran.output
    hooks = folder / "_hooks.yaml"
    hooks.write_text(hooks.read_text().replace("${HOOK_PUSHED_SECRET}", SECRET))
    async with running_balancer(
        tmp_path,
        FUNCTIONS_DIR=folder,
        SCHEDULES_FILE=folder / "_schedules.yaml",
        HOOKS_FILE=hooks,
    ) as balancer:
        await balancer.worker()
        assert balancer.balancer.flow_catalog.broken == ()
        flow = await run(balancer, "gather")
        assert states(flow) == {"each": "completed", "all_of_them": "completed", "never": "skipped"}
        assert flow["result"]["all_of_them"] == "0 ANN, 1 BOB"
        await make_due(balancer, "yearly")
        (fired,) = await runs_of(balancer, 1, "yearly")
        by_schedule = await ended(balancer, fired["task_id"])
        assert by_schedule["result"]["all_of_them"] == "0 EVE, 1 JOE"
        await until(lambda: balancer.balancer.hooks.health()["in_file"] == 1)
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {SECRET}"}) as session,
            session.post(f"{balancer.url}/hooks/pushed", json={"ref": "main"}) as answer,
        ):
            assert answer.status == 202, await answer.text()
            receipt = await answer.json()
        by_hook = await ended(balancer, receipt["id"])
        assert by_hook["result"] == {"body": "main by push"}
